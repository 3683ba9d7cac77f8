import assert from "node:assert/strict";
import { test } from "node:test";
import { CaptureReader } from "../../../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../../../src/packet/headers/decode.ts";
import { createOutput } from "../../../../src/packet/outputs.ts";
import { ip4, eth, pcap, tcp } from "../../../support/frames.ts";
import { dhcp, dhcpFrame } from "../../../support/messages.ts";

interface Document {
  readonly "@timestamp": string;
  readonly frame?: { readonly protocols?: string; readonly len?: number };
  readonly dhcpv4?: unknown;
  readonly source?: unknown;
}

/** What the output `packets` makes of frames. */
function documentsOf(frames: readonly Buffer[], options: Record<string, unknown>): Document[] {
  const output = createOutput("packets", options);
  const reader = new CaptureReader(64);
  const decoder = new HeaderDecoder(64);
  const documents: Document[] = [];
  const sink = { add: (json: string): void => void documents.push(JSON.parse(json) as Document) };
  for (const batch of reader.read(pcap(frames))) output.take(batch, decoder.decode(batch), reader.interfaces, sink);
  output.finish(sink);
  return documents;
}

const HELLO = Buffer.from("160301000501000001ff", "hex");
const FRAMES = [
  dhcpFrame(true, dhcp("discover")),
  eth(0x0800, ip4(6, tcp(50_000, 443, 0x18, HELLO))),
  eth(0x0800, ip4(6, tcp(50_000, 443, 0x10))),
];

test("with legacy_names protocols are called as tshark called them before version 3, and nothing else differs", () => {
  const now = documentsOf(FRAMES, {});
  const before = documentsOf(FRAMES, { legacy_names: true });
  assert.deepEqual(
    now.map(({ frame }) => frame?.protocols),
    ["eth:ethertype:ip:udp:dhcp", "eth:ethertype:ip:tcp:tls", "eth:ethertype:ip:tcp"],
  );
  assert.deepEqual(
    before.map(({ frame }) => frame?.protocols),
    ["eth:ethertype:ip:udp:bootp", "eth:ethertype:ip:tcp:ssl", "eth:ethertype:ip:tcp"],
  );
  const rest = (documents: Document[]): unknown =>
    documents.map(({ frame: { protocols: _, ...frame } = {}, ...all }) => ({ ...all, frame }));
  assert.deepEqual(rest(before), rest(now));
});

test("only the chosen fields are stored, also with legacy_names", () => {
  const [first] = documentsOf(FRAMES, { fields: ["frame.protocols", "frame.len"], legacy_names: true });
  assert.deepEqual(first, {
    "@timestamp": first!["@timestamp"],
    frame: { protocols: "eth:ethertype:ip:udp:bootp", len: FRAMES[0]!.length },
  });
});
