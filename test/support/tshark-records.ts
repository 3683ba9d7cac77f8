import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";
import { PacketEvents } from "../../src/packet/packet-event.ts";

/** The records of `tshark -T json` or `-T ek` of a capture, as text; lines that name an index are left out. */
export function tsharkRecords(file: string, format: "json" | "ek", options: readonly string[] = []): string[] {
  const text = execFileSync(
    "tshark",
    [
      ...["-n", "-r", file, "-T", format, "--enable-protocol", "communityid"],
      ...["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"],
      ...options,
    ],
    { encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "ignore"] },
  );
  if (format === "ek") return text.split("\n").filter((line) => line.startsWith('{"timestamp"'));
  const records: string[] = [];
  for (const line of text.split("\n")) {
    if (line === "  {") records.push(line);
    else if (records.length > 0) records[records.length - 1] += `\n${line}`;
  }
  return records;
}

/** What our own decoders make of a capture, as JSON would have it. */
export function ownRecords(file: string): Record<string, unknown>[] {
  const reader = new CaptureReader();
  const decoder = new HeaderDecoder(1024);
  const events = new PacketEvents();
  const found: Record<string, unknown>[] = [];
  for (const batch of reader.read(readFileSync(file))) {
    const columns = decoder.decode(batch);
    for (let i = 0; i < batch.count; i++) {
      const event = events.of(batch, columns, i, reader.interfaces[batch.interfaceIndex[i]!]);
      found.push(JSON.parse(JSON.stringify(event)) as Record<string, unknown>);
    }
  }
  return found;
}
