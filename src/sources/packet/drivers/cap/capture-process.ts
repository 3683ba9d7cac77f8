/*
 * The program of the driver `cap`: captures on one interface and writes a pcap stream to standard output, what it counts
 * to standard error. The addon belongs in a process of its own: it runs libpcap on the main thread, keeps the bare
 * address of a buffer, and a defect in it ends what it is in.
 */
import { writeSync } from "node:fs";
import { errorMessage } from "../../../../core/error.ts";
import { loadCap, type CapHandle } from "./addon.ts";
import { DropEstimate } from "./drop-estimate.ts";
import { readInterfaceCounters } from "./interface-counters.ts";
import { PcapStream } from "./pcap-stream.ts";
import { linkTypeOf, type CapRequest } from "./request.ts";

/** How long packets may wait to be written together. */
const FLUSH_MS = 50;
const COUNT_MS = 1000;
/** How far the clock may be from the system's before it is set again. */
const DRIFT_MS = 2;

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

const request = JSON.parse(process.argv[2] ?? "{}") as CapRequest;
/** Never let go of: the addon writes into it as long as it captures. */
const frame = Buffer.alloc(65_535);

try {
  run(request, new (addon().Cap)());
} catch (error) {
  say(`cap: ${request.interfaceName}: ${errorMessage(error)}`);
  process.exitCode = 1;
}

function addon(): ReturnType<typeof loadCap> {
  try {
    return loadCap();
  } catch (error) {
    throw new Error(`the package cannot be loaded: ${errorMessage(error).split("\n")[0]}`, { cause: error });
  }
}

function run({ interfaceName, snapLength, bufferBytes, filter }: CapRequest, handle: CapHandle): void {
  const linkType = linkTypeOf(handle.open(interfaceName, filter, bufferBytes, frame));
  const begin = readInterfaceCounters(interfaceName);
  // What a filter leaves out is counted by the interface, too.
  const drops = begin === undefined || filter !== "" ? undefined : new DropEstimate(begin, bufferBytes);
  const stream = new PcapStream(write, linkType, snapLength);
  say(`cap: listening on ${interfaceName}, link type ${linkType}`);

  let origin = performance.timeOrigin;
  let captured = 0;
  let flushAt = 0;
  let countAt = performance.now() + COUNT_MS;
  let isEnding = false;

  const tell = (): void => {
    const dropped =
      drops === undefined
        ? ""
        : `, ${drops.droppedByKernel} packets dropped by kernel, ${drops.droppedByInterface} packets dropped by interface`;
    say(`cap: ${captured} packets captured${dropped}`);
  };

  handle.on("packet", (length) => {
    const now = performance.now();
    stream.add(frame, length, origin + now);
    captured++;
    if (now >= flushAt) {
      stream.flush();
      flushAt = now + FLUSH_MS;
    }
    // The addon comes back to the event loop only when the kernel has no more packets for it: no timer runs before.
    if (now < countAt) return;
    countAt = now + COUNT_MS;
    const counters = drops && readInterfaceCounters(interfaceName);
    if (counters !== undefined) drops?.update(counters, captured, false);
    tell();
  });

  /** Between the reading and the counting the addon takes all that was counted. */
  const count = (then: () => void): void => {
    const counters = readInterfaceCounters(interfaceName);
    setImmediate(() => {
      if (counters !== undefined) drops?.update(counters, captured, true);
      then();
    });
    if (counters !== undefined || begin === undefined || isEnding) return;
    say(`cap: ${interfaceName}: the interface has gone`);
    process.exitCode = 1;
    end();
  };

  const flushing = setInterval(() => stream.flush(), FLUSH_MS);
  const counting = setInterval(() => {
    const drift = Date.now() - (origin + performance.now());
    if (Math.abs(drift) > DRIFT_MS) origin += drift;
    count(tell);
    countAt = performance.now() + COUNT_MS;
  }, COUNT_MS);

  function end(): void {
    if (isEnding) return;
    isEnding = true;
    clearInterval(flushing);
    clearInterval(counting);
    count(() => {
      handle.close();
      stream.flush();
      tell();
    });
  }
  process.on("SIGTERM", end).on("SIGINT", end);
}

/** Writes all of it. Blocks while the agent is busy: then the kernel's buffer fills, and it is the kernel that drops. */
function write(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Nobody reads any more.
      if (code !== "EAGAIN") process.exit(0);
      Atomics.wait(PAUSE, 0, 0, 1);
    }
  }
}

function say(line: string): void {
  try {
    writeSync(2, `${line.replaceAll("\n", " ")}\n`);
  } catch {
    // Nobody listens.
  }
}
