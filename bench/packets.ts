/**
 * What packets cost: header decoding, flows and events as NDJSON, beside `tshark -T ek` on the beginning of the same capture
 * in the same run, and memory with a million flows. The capture is that of mixed-capture.ts (needs root, tshark, editcap, tcpdump).
 *
 *     npm run bench:packets            # 1,000 MB; WIRETAIL_BENCH_MB changes that
 */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, openSync, readSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { CaptureReader } from "../src/packet/capture/capture-reader.ts";
import type { PacketBatch } from "../src/packet/capture/packet-batch.ts";
import { FlowOutput } from "../src/packet/flows/flow-output.ts";
import { HeaderDecoder } from "../src/packet/headers/decode.ts";
import { READ_BYTES } from "../src/sources/packet/file-bytes.ts";
import { eth, ip4, pcap, udp } from "../test/support/frames.ts";
import { mixedCapture } from "./mixed-capture.ts";

const MEGABYTES = Number(process.env["WIRETAIL_BENCH_MB"] ?? 1000);
/** tshark takes minutes for a million packets: it gets the beginning. */
const TSHARK_MEGABYTES = Math.min(60, MEGABYTES);
const BATCH_PACKETS = 1024;
/** The best of so many is taken: others may use the machine. */
const ROUNDS = 3;
/** They take half a second each. */
const HEADER_ROUNDS = 10;
/** Enough for headers and the beginning of what they carry, as one captures for flows. */
const SNAP_LENGTH = 400;

if (process.argv[2] === "memory") memoryOfFlows(Number(process.argv[3]));
else await main();

async function main(): Promise<void> {
  const large = await mixedCapture(MEGABYTES * 1e6);
  const small = await mixedCapture(TSHARK_MEGABYTES * 1e6);
  const packets = headers(large).packets;
  const few = headers(small).packets;
  const cut = `${large}.cut`;
  execFileSync("editcap", ["-F", "pcap", "-s", String(SNAP_LENGTH), large, cut]);
  const headerRows = [
    headersRow("all columns of the headers", large),
    headersRow(`the same, packets cut at ${SNAP_LENGTH} bytes`, cut),
  ];
  rmSync(cut);
  const rows = [...headerRows, flowsRow(large), ...besideRows(large, packets, small, few), memoryRow()];
  const mean = (statSync(large).size - 24) / packets - 16;
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const machine = `${cpus()[0]?.model ?? "?"}, ${cpus().length} cores, Node ${process.versions.node}, commit ${commit}`;
  const text = [
    "# Packets",
    "",
    `\`npm run bench:packets\` on ${machine}: ${MEGABYTES} MB, ${packets} packets, ${mean.toFixed(0)} bytes in the mean; tshark: the first ${few} packets. Of ours, the best of ${ROUNDS}, of headers of ${HEADER_ROUNDS}.`,
    "",
    "| what | rate | seconds | note |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
  writeFileSync("bench/results/packets.md", text);
  console.log(text);
}

/** Calls `take` with each batch of a capture. */
function eachBatch(file: string, reader: CaptureReader, take: (batch: PacketBatch) => void): void {
  const descriptor = openSync(file, "r");
  const chunk = Buffer.alloc(READ_BYTES);
  try {
    for (let size = readSync(descriptor, chunk); size > 0; size = readSync(descriptor, chunk))
      for (const batch of reader.read(chunk.subarray(0, size))) take(batch);
  } finally {
    closeSync(descriptor);
  }
}

/** Decodes all headers; nanoseconds that this alone took. */
function headers(file: string): { packets: number; nanoseconds: number } {
  const decoder = new HeaderDecoder(BATCH_PACKETS);
  const reader = new CaptureReader(BATCH_PACKETS, decoder.memory);
  let nanoseconds = 0;
  eachBatch(file, reader, (batch) => {
    const from = process.hrtime.bigint();
    decoder.decode(batch);
    nanoseconds += Number(process.hrtime.bigint() - from);
  });
  return { packets: reader.packets, nanoseconds };
}

function headersRow(what: string, file: string): string {
  const rounds = Array.from({ length: HEADER_ROUNDS }, () => headers(file));
  const nanoseconds = Math.min(...rounds.map((round) => round.nanoseconds));
  const { packets } = rounds[0]!;
  return row(what, packets, nanoseconds, `${(nanoseconds / packets).toFixed(1)} ns a packet`);
}

function flowsRow(file: string): string {
  let [best, packets, documents, bytes] = [Infinity, 0, 0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const decoder = new HeaderDecoder(BATCH_PACKETS);
    const reader = new CaptureReader(BATCH_PACKETS, decoder.memory);
    const flows = new FlowOutput();
    [documents, bytes] = [0, 0];
    const sink = {
      add: (json: string): void => {
        documents++;
        bytes += json.length;
      },
    };
    const began = process.hrtime.bigint();
    eachBatch(file, reader, (batch) => {
      flows.take(batch, decoder.decode(batch), reader.interfaces, sink);
    });
    flows.finish(sink);
    best = Math.min(best, Number(process.hrtime.bigint() - began));
    ({ packets } = reader);
  }
  const note = `${documents} flows, ${(bytes / 1e6).toFixed(0)} MB of JSON`;
  return row("reading, headers, flows, one thread", packets, best, note);
}

/** The programs, one after the other, both to /dev/null; the size is of another run. */
function besideRows(large: string, packets: number, small: string, few: number): string[] {
  const nanoseconds = (command: string): number => {
    const began = process.hrtime.bigint();
    execFileSync("sh", ["-c", command], { stdio: ["ignore", "ignore", "ignore"] });
    return Number(process.hrtime.bigint() - began);
  };
  const wiretail = `bin/wiretail decode ${large} --json`;
  const ours = Math.min(...Array.from({ length: ROUNDS }, () => nanoseconds(wiretail)));
  const theirs = nanoseconds(`tshark -n -r ${small} -T ek`);
  const size = Number(execFileSync("sh", ["-c", `${wiretail} | wc -c`], { encoding: "utf8" }));
  const ratio = (size / statSync(large).size).toFixed(2);
  const times = (packets / ours / (few / theirs)).toFixed(1);
  const note = `${ratio} times the capture's size; ${times} times tshark's rate`;
  return [row("`wiretail decode --json`", packets, ours, note), row("`tshark -T ek`", few, theirs, "")];
}

function memoryRow(): string {
  const child = spawnSync(process.execPath, ["dist/bench/packets.js", "memory", "1000000"], { encoding: "utf8" });
  return `| a million flows at a time | | | ${child.stdout.trim()} |`;
}

/** Peak memory of a process that keeps so many flows, and gives a record of each at the end. */
function memoryOfFlows(count: number): void {
  const decoder = new HeaderDecoder(BATCH_PACKETS);
  const flows = new FlowOutput();
  const reader = new CaptureReader(BATCH_PACKETS, decoder.memory);
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

function row(what: string, packets: number, nanoseconds: number, note: string): string {
  const rate = ((packets / nanoseconds) * 1e3).toFixed(3);
  return `| ${what} | ${rate} M packets/s | ${(nanoseconds / 1e9).toFixed(2)} | ${note} |`;
}
