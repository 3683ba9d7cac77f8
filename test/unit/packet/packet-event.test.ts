import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CaptureReader } from "../../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../../src/packet/headers/decode.ts";
import { PacketEvents } from "../../../src/packet/packet-event.ts";
import * as f from "../../support/frames.ts";

/** The document of the last packet of a capture, as JSON has it. */
function eventOf(capture: Uint8Array): unknown {
  const decoder = new HeaderDecoder(8);
  const events = new PacketEvents();
  const reader = new CaptureReader(8);
  let last: unknown;
  for (const batch of reader.read(capture)) {
    const columns = decoder.decode(batch);
    for (let i = 0; i < batch.count; i++)
      last = events.of(batch, columns, i, reader.interfaces[batch.interfaceIndex[i]!]);
  }
  return JSON.parse(JSON.stringify(last));
}

const EVENT = { kind: "event", category: ["network"], type: ["info"], dataset: "packet" };

describe("a packet as a document", () => {
  it("has ECS fields for addresses, ports and TCP, and times to the nanosecond", () => {
    const b = new f.PcapngBlocks();
    const frame = f.eth(0x8100, f.tag(5, 0x0800, f.ip4(6, f.tcp(40_000, 443, 0x12, [1, 2]))));
    const interfaces = b.interface(1, 0, b.option(9, [9]), b.option(2, Buffer.from("eth0")));
    const time = 1_700_000_000_123_456_789n;
    assert.deepEqual(eventOf(f.join(b.section(), interfaces, b.packet(0, time, frame, 1000))), {
      "@timestamp": "2023-11-14T22:13:20.123456Z",
      event: EVENT,
      frame: {
        ...{ number: 1, time: "2023-11-14T22:13:20.123456789Z", len: 1000, cap_len: 60 },
        protocols: "eth:ethertype:vlan:ethertype:ip:tcp:tls",
      },
      source: { ip: "10.0.0.1", port: 40_000, mac: "02-00-00-00-00-0A" },
      destination: { ip: "10.0.0.2", port: 443, mac: "02-00-00-00-00-0B" },
      network: {
        ...{ type: "ipv4", transport: "tcp", iana_number: "6", bytes: 1000 },
        ...{ community_id: "1:UWHKJ/x6OQ1YiVv4rIl0t3yhjg8=", vlan: { id: "5" } },
      },
      ip: { ttl: 64 },
      tcp: { flags: ["syn", "ack"], seq_raw: 1000, ack_raw: 2000, window_size_value: 512, len: 2 },
      observer: { ingress: { interface: { name: "eth0" } } },
    });
  });

  it("has the addresses of a tunnel as lists, the outermost first, and the outer community id", () => {
    const inner = f.ip4(6, f.tcp(1234, 80, 2), { source: "192.168.1.1", destination: "192.168.1.2" });
    const tunnel = f.ip4(17, f.udp(9, 4789, f.vxlan(1, f.eth(0x0800, inner))));
    const event = eventOf(f.pcap([f.eth(0x0800, tunnel)])) as Record<string, Record<string, unknown>>;
    assert.deepEqual(event["source"], { ip: ["10.0.0.1", "192.168.1.1"], port: [9, 1234], mac: "02-00-00-00-00-0A" });
    assert.deepEqual(event["network"]!["transport"], "tcp");
    const outer = eventOf(f.pcap([f.eth(0x0800, f.ip4(17, f.udp(9, 4789)))])) as Record<
      string,
      Record<string, unknown>
    >;
    assert.equal(event["network"]!["community_id"], outer["network"]!["community_id"]);
  });

  it("has what ARP asks for, and no IP fields", () => {
    assert.deepEqual(eventOf(f.pcap([f.eth(0x0806, f.arp(1))])), {
      "@timestamp": "2023-11-14T22:13:20.000Z",
      event: EVENT,
      frame: {
        number: 1,
        time: "2023-11-14T22:13:20.000000000Z",
        len: 42,
        cap_len: 42,
        protocols: "eth:ethertype:arp",
      },
      source: { mac: "02-00-00-00-00-0A" },
      destination: { mac: "02-00-00-00-00-0B" },
      network: { type: "arp", bytes: 42 },
      arp: {
        opcode: 1,
        src: { hw_mac: "02-00-00-00-00-0A", proto_ipv4: "10.0.0.1" },
        dst: { hw_mac: "02-00-00-00-00-0B", proto_ipv4: "10.0.0.2" },
      },
    });
  });

  it("says which piece of a datagram it is, and what is wrong with it", () => {
    const piece = f.ip4(17, Buffer.alloc(16), { fragment: 0x2003, id: 77 });
    const event = eventOf(f.pcap([f.eth(0x0800, piece)])) as Record<string, Record<string, unknown>>;
    assert.deepEqual(event["ip"], { ttl: 64, fragment: { id: 77, offset: 24, more: true } });
    const cut = eventOf(f.pcap([f.eth(0x0800, piece)], { snapLength: 20 })) as Record<string, unknown>;
    assert.deepEqual([cut["tags"], cut["ip"]], [["cut"], undefined]);
  });

  it("without a time in the capture has none, rather than a wrong one", () => {
    const b = new f.PcapngBlocks();
    const event = eventOf(f.join(b.section(), b.interface(1, 0), b.simple(Buffer.alloc(60)))) as Record<
      string,
      unknown
    >;
    assert.equal("@timestamp" in event, false);
  });

  it("with an impossible time has none, and nothing throws", () => {
    const b = new f.PcapngBlocks();
    const packet = b.packet(0, 0xffff_ffff_ffff_ffffn, Buffer.alloc(60));
    const event = eventOf(f.join(b.section(), b.interface(1, 0, b.option(9, [0])), packet)) as Record<string, unknown>;
    assert.equal("@timestamp" in event, false);
  });
});
