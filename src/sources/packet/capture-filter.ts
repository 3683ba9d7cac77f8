import { spawn } from "node:child_process";
import { once } from "node:events";
import { WiretailError } from "../../core/error.ts";
import { findProgram } from "./drivers/find-program.ts";
import { MISSING_TCPDUMP } from "./drivers/tcpdump.ts";

/**
 * A capture without the packets that a BPF filter does not match: tcpdump reads it and writes what is left. Its output
 * has classic pcap's one link type, so tcpdump refuses captures of interfaces of several kinds. Throws WiretailError
 * with what tcpdump says.
 */
export async function* filterCapture(
  input: AsyncIterable<Uint8Array>,
  filter: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const args = ["-r", "-", "--time-stamp-precision=nano", "-w", "-", "--", filter];
  const program = findProgram("tcpdump");
  if (program === undefined) throw new WiretailError("WT_SOURCE_FAILED", MISSING_TCPDUMP);
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-2000)));
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code) => resolve(code === 0 ? undefined : said.trim() || `tcpdump ended with code ${code}`));
  });
  // A filter that does not parse ends it before it reads anything.
  child.stdin.on("error", () => undefined);
  const fed = (async () => {
    for await (const chunk of input) {
      if (!child.stdin.writable) return undefined;
      if (!child.stdin.write(chunk)) await Promise.race([once(child.stdin, "drain"), once(child.stdin, "close")]);
    }
    child.stdin.end();
    return undefined;
  })().catch((error: unknown) => {
    child.stdin.end();
    return error as Error;
  });
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    const fault = await ended;
    if (fault !== undefined) throw new WiretailError("WT_SOURCE_FAILED", fault);
    const inputFault = await fed;
    if (inputFault !== undefined) throw inputFault;
  } finally {
    child.kill("SIGKILL");
  }
}
