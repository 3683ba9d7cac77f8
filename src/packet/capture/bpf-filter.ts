import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { WiretailError } from "../../core/error.ts";

/**
 * The packets of a capture that a BPF filter (pcap-filter(7)) lets through, as a capture: tcpdump reads it and writes
 * them. Throws WT_USAGE where tcpdump refuses the filter, WT_SOURCE_FAILED where it is missing or finds fault with the
 * capture.
 */
export async function* filteredCapture(input: AsyncIterable<Uint8Array>, filter: string): AsyncGenerator<Uint8Array> {
  const child = spawn("tcpdump", ["-n", "--time-stamp-precision=nano", "-r", "-", "-w", "-", "--", filter], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  ended.catch(() => undefined);
  // It stops reading when it has seen enough: then this fails, and its exit code tells why.
  const feeding = pipeline(Readable.from(input), child.stdin).catch((error: unknown) => error);
  try {
    for await (const chunk of child.stdout) yield chunk as Uint8Array;
    const code = await ended;
    if (code !== 0) throw faultOf(said, filter);
    const failure = await feeding;
    if (failure instanceof Error && !isClosedPipe(failure)) throw failure;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new WiretailError("WT_SOURCE_FAILED", "filtering a capture needs tcpdump, which is not installed", {
      hint: "Install it (Debian, Ubuntu: apt-get install tcpdump), or filter events by KQL.",
    });
  } finally {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      child.kill("SIGKILL");
      await once(child, "close");
    }
  }
}

function isClosedPipe(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ERR_STREAM_DESTROYED";
}

/** What libpcap says of a file: `truncated dump file; …`, `unknown file format`, `pcap_loop: bogus savefile header`. */
const OF_THE_CAPTURE = /dump file|savefile|file format|^pcap_loop|pcap_next|an interface has/;

/** tcpdump's complaint, without what it always says. */
function faultOf(said: string, filter: string): WiretailError {
  const lines = said.split("\n").filter((line) => line !== "" && !line.startsWith("reading from file"));
  const complaint = (lines.at(-1) ?? "it ended with an error").replace(/^tcpdump: /, "");
  const text = `tcpdump with the filter ${JSON.stringify(filter)}: ${complaint}`;
  if (OF_THE_CAPTURE.test(complaint)) return new WiretailError("WT_SOURCE_FAILED", text);
  return new WiretailError("WT_USAGE", text, {
    hint: "A filter is in tcpdump's language (man pcap-filter), such as 'host 10.0.0.1 and tcp port 443'. Fields of events are asked for by KQL: --where.",
  });
}
