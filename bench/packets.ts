/**
 * What packets cost: header decoding, flows and events as NDJSON, beside `tshark -T ek` on the same capture in the same run,
 * and memory with a million flows. The capture is traffic of real programs between two network namespaces (needs root,
 * tshark, tcpdump), large segments cut as a wire would have them, repeated with other addresses.
 *
 *     npm run bench:packets            # 1,000 MB; WIRETAIL_BENCH_MB changes that
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { CaptureReader } from "../src/packet/capture/capture-reader.ts";
import { FlowOutput } from "../src/packet/flows/flow-output.ts";
import { HeaderDecoder } from "../src/packet/headers/decode.ts";
import { captureTraffic } from "../test/support/namespaces.ts";
import { eth, ip4, pcap, udp } from "../test/support/frames.ts";

const MEGABYTES = Number(process.env["WIRETAIL_BENCH_MB"] ?? 1000);
/** tshark takes two minutes for a million packets: it gets the beginning. */
const TSHARK_MEGABYTES = Math.min(60, MEGABYTES);
const SEGMENT_BYTES = 1448;

if (process.argv[2] === "memory") memoryOfFlows(Number(process.argv[3]));
else await main();

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "wiretail-bench-packets-"));
  try {
    const { veth } = await captureTraffic(folder);
    const frames = ordinaryFrames(readFileSync(veth));
    const [large, small] = [join(folder, "large.pcap"), join(folder, "small.pcap")];
    const packets = writeRepeated(frames, large, MEGABYTES * 1e6);
    const few = writeRepeated(frames, small, TSHARK_MEGABYTES * 1e6);
    const rows = [...inProcess(large, packets), ...beside(small, few), memory()];
    const mean = (statSync(large).size - 24) / packets - 16;
    const text = [
      "# Packets",
      "",
      `\`npm run bench:packets\` on ${cpus()[0]?.model ?? "?"}, ${cpus().length} cores, Node ${process.versions.node}: ${MEGABYTES} MB, ${packets} packets, ${mean.toFixed(0)} bytes in the mean; tshark and \`decode --json\`: ${few} packets.`,
      "",
      "| what | rate | seconds | note |",
      "| --- | --- | --- | --- |",
      ...rows,
      "",
    ].join("\n");
    writeFileSync("bench/results/packets.md", text);
    console.log(text);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The frames of a capture; TCP over IPv4 that offloading has made larger than a wire's frames is cut into segments. */
function ordinaryFrames(capture: Buffer): Buffer[] {
  const reader = new CaptureReader(1024);
  const decoder = new HeaderDecoder(1024);
  const frames: Buffer[] = [];
  for (const batch of reader.read(capture)) {
    const columns = decoder.decode(batch);
    for (let i = 0; i < batch.count; i++) {
      const at = batch.frameAt[i]!;
      const frame = Buffer.from(batch.bytes.subarray(at, at + batch.capturedLength[i]!));
      if (frame.length <= 1514) frames.push(frame);
      else if (columns.ipProtocol[2 * i] === 6)
        frames.push(...segments(frame, columns.payloadAt[i]! - at, columns.transportAt[2 * i]! - at));
    }
  }
  return frames;
}

function segments(frame: Buffer, payloadAt: number, tcpAt: number): Buffer[] {
  const isVersion4 = frame[14]! >> 4 === 4;
  const made: Buffer[] = [];
  for (let at = payloadAt; at < frame.length; at += SEGMENT_BYTES) {
    const segment = Buffer.concat([frame.subarray(0, payloadAt), frame.subarray(at, at + SEGMENT_BYTES)]);
    segment.writeUInt32BE((frame.readUInt32BE(tcpAt + 4) + at - payloadAt) >>> 0, tcpAt + 4);
    if (isVersion4) segment.writeUInt16BE(segment.length - 14, 16);
    else segment.writeUInt16BE(segment.length - 54, 18);
    made.push(segment);
  }
  return made;
}

/** Writes the frames again and again, each time between other hosts, a packet every 5 µs. Returns how many. */
function writeRepeated(frames: readonly Buffer[], file: string, bytes: number): number {
  const descriptor = openSync(file, "w");
  try {
    writeSync(descriptor, pcap([]));
    let written = 0;
    let packets = 0;
    for (let round = 0; written < bytes; round++) {
      const part = Buffer.concat(
        frames.map((frame) => {
          const header = Buffer.alloc(16);
          const micros = packets++ * 5;
          header.writeUInt32LE(1_700_000_000 + Math.floor(micros / 1e6), 0);
          header.writeUInt32LE(micros % 1e6, 4);
          header.writeUInt32LE(frame.length, 8);
          header.writeUInt32LE(frame.length, 12);
          const copy = Buffer.from(frame);
          // 10.9.0.1 becomes 10.x.y.1; of IPv6 addresses the third group changes.
          for (const at of frame.readUInt16BE(12) === 0x0800 ? [26, 30] : [])
            if (copy[at] === 10) copy.writeUInt16BE(round & 0xffff, at + 1);
          for (const at of frame.readUInt16BE(12) === 0x86dd ? [22, 38] : [])
            if (copy[at] !== 0xff) copy.writeUInt16BE(round & 0xffff, at + 4);
          return Buffer.concat([header, copy]);
        }),
      );
      writeSync(descriptor, part);
      written += part.length;
    }
    return packets;
  } finally {
    closeSync(descriptor);
  }
}

/** Header decoding alone, and all the way to records of flows, on one thread. */
function inProcess(file: string, packets: number): string[] {
  const decoder = new HeaderDecoder(1024);
  const flows = new FlowOutput();
  let [decoding, documents, bytes] = [0, 0, 0];
  const sink = {
    add: (json: string): void => {
      documents++;
      bytes += json.length;
    },
  };
  const reader = new CaptureReader(1024);
  const descriptor = openSync(file, "r");
  const chunk = Buffer.alloc(256 * 1024);
  const began = process.hrtime.bigint();
  for (let size = readSync(descriptor, chunk); size > 0; size = readSync(descriptor, chunk)) {
    for (const batch of reader.read(chunk.subarray(0, size))) {
      const from = process.hrtime.bigint();
      const columns = decoder.decode(batch);
      decoding += Number(process.hrtime.bigint() - from);
      flows.take(batch, columns, reader.interfaces, sink);
    }
  }
  flows.finish(sink);
  const all = Number(process.hrtime.bigint() - began);
  closeSync(descriptor);
  return [
    row(
      "all columns of the headers, while flows are made",
      packets,
      decoding / 1e9,
      `${(decoding / packets).toFixed(1)} ns a packet`,
    ),
    row(
      "reading, headers, flows, one thread",
      packets,
      all / 1e9,
      `${documents} flows, ${(bytes / 1e6).toFixed(0)} MB of JSON`,
    ),
  ];
}

/** The programs, one after the other, both to /dev/null; the size is of another run. */
function beside(file: string, packets: number): string[] {
  const seconds = (command: string): number => {
    const began = process.hrtime.bigint();
    execFileSync("sh", ["-c", command], { stdio: ["ignore", "ignore", "ignore"] });
    return Number(process.hrtime.bigint() - began) / 1e9;
  };
  const wiretail = `${process.execPath} dist/src/cli/main.js decode ${file} --json`;
  const ours = Math.min(...[1, 2, 3].map(() => seconds(wiretail)));
  const theirs = seconds(`tshark -n -r ${file} -T ek`);
  const size = Number(execFileSync("sh", ["-c", `${wiretail} | wc -c`], { encoding: "utf8" }));
  const ratio = (size / statSync(file).size).toFixed(2);
  return [
    row(
      "`wiretail decode --json`",
      packets,
      ours,
      `${ratio} times the capture's size; ${(theirs / ours).toFixed(1)} times tshark's rate`,
    ),
    row("`tshark -T ek`", packets, theirs, ""),
  ];
}

function memory(): string {
  const child = spawnSync(process.execPath, ["dist/bench/packets.js", "memory", "1000000"], { encoding: "utf8" });
  return `| a million flows at a time | | | ${child.stdout.trim()} |`;
}

/** Peak memory of a process that keeps so many flows, and gives a record of each at the end. */
function memoryOfFlows(count: number): void {
  const decoder = new HeaderDecoder(1024);
  const flows = new FlowOutput();
  const reader = new CaptureReader(1024);
  const capture = pcap(Array.from({ length: 1000 }, () => eth(0x0800, ip4(17, udp(4000, 5000)))));
  const sink = { add: (): void => undefined };
  for (let first = 0; first < count; first += 1000) {
    for (let i = 0; i < 1000; i++) {
      const at = 24 + i * (16 + 42);
      capture.writeUInt32LE(1_700_000_000, at);
      capture.writeUInt32BE(0x0a000000 + first + i, at + 16 + 26);
    }
    for (const batch of reader.read(first === 0 ? capture : capture.subarray(24)))
      flows.take(batch, decoder.decode(batch), reader.interfaces, sink);
  }
  const { active_flows } = flows.counters();
  flows.finish(sink);
  console.log(
    `${active_flows} flows: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB at the peak, all in all`,
  );
}

function row(what: string, packets: number, seconds: number, note: string): string {
  return `| ${what} | ${(packets / seconds / 1e6).toFixed(3)} M packets/s | ${seconds.toFixed(2)} | ${note} |`;
}
