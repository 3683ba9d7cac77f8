import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatIp4, formatMac } from "../../../../src/packet/address.ts";
import { CaptureReader } from "../../../../src/packet/capture/capture-reader.ts";
import type { PacketBatch } from "../../../../src/packet/capture/packet-batch.ts";
import { HeaderDecoder } from "../../../../src/packet/headers/decode.ts";
import { FLAG, type HeaderColumns } from "../../../../src/packet/headers/header-columns.ts";
import { LAYER } from "../../../../src/packet/headers/layer.ts";
import { MESSAGE_STARTS } from "../../../../src/packet/http/head.ts";
import * as f from "../../../support/frames.ts";

interface Decoded {
  readonly bytes: Uint8Array;
  readonly columns: HeaderColumns;
  readonly protocols: string;
}

/** Decodes one frame alone. */
function decode(frame: Uint8Array, linkType = 1, snapLength = 65_535): Decoded {
  const decoder = new HeaderDecoder(4);
  let batch: PacketBatch | undefined;
  for (const each of new CaptureReader(4).read(f.pcap([frame], { linkType, snapLength }))) {
    decoder.decode(each);
    batch = each;
    break;
  }
  const { columns } = decoder;
  return { bytes: batch!.bytes, columns, protocols: columns.paths.text(columns.path[0]!) };
}

/** What tshark 4.0 says of these frames in frame.protocols, without what it finds beneath ICMP errors, LLC and unknown EtherTypes. */
const PROTOCOLS: Readonly<Record<string, string>> = {
  "arp request": "eth:ethertype:arp",
  "arp reply": "eth:ethertype:arp",
  "udp over ipv4": "eth:ethertype:ip:udp:data",
  "tcp over ipv4": "eth:ethertype:ip:tcp",
  "sctp over ipv4": "eth:ethertype:ip:sctp",
  "ipv4 options": "eth:ethertype:ip:udp:data",
  "first fragment": "eth:ethertype:ip:udp:data",
  "later fragment": "eth:ethertype:ip:data",
  esp: "eth:ethertype:ip:esp",
  "ah before udp": "eth:ethertype:ip:ah:udp:data",
  igmp: "eth:ethertype:ip:igmp",
  "echo request": "eth:ethertype:ip:icmp",
  "echo reply": "eth:ethertype:ip:icmp",
  "udp over ipv6": "eth:ethertype:ipv6:udp:data",
  "tcp over ipv6": "eth:ethertype:ipv6:tcp",
  "icmpv6 echo": "eth:ethertype:ipv6:icmpv6",
  "icmpv6 neighbour": "eth:ethertype:ipv6:icmpv6",
  "hop-by-hop": "eth:ethertype:ipv6:ipv6.hopopts:udp:data",
  routing: "eth:ethertype:ipv6:ipv6.routing:udp:data",
  "destination options": "eth:ethertype:ipv6:ipv6.dstopts:tcp",
  "ipv6 first fragment": "eth:ethertype:ipv6:ipv6.fraghdr:udp:data",
  "ipv6 later fragment": "eth:ethertype:ipv6:ipv6.fraghdr:data",
  "ipv6 no next header": "eth:ethertype:ipv6",
  "ipv6 esp": "eth:ethertype:ipv6:esp",
  vlan: "eth:ethertype:vlan:ethertype:ip:udp:data",
  "stacked vlan": "eth:ethertype:vlan:ethertype:vlan:ethertype:ip:udp:data",
  qinq: "eth:ethertype:ieee8021ad:ethertype:vlan:ethertype:ipv6:udp:data",
  "qinq 9100": "eth:ethertype:vlan:ethertype:vlan:ethertype:ip:udp:data",
  "vlan arp": "eth:ethertype:vlan:ethertype:arp",
  mpls: "eth:ethertype:mpls:ip:udp:data",
  "mpls two labels": "eth:ethertype:mpls:ipv6:udp:data",
  "pppoe discovery": "eth:ethertype:pppoed",
  "pppoe ipv4": "eth:ethertype:pppoes:ppp:ip:tcp",
  "pppoe ipv6": "eth:ethertype:pppoes:ppp:ipv6:udp:data",
  "gre ipv4": "eth:ethertype:ip:gre:ip:tcp",
  "gre key and ipv6": "eth:ethertype:ip:gre:ipv6:udp:data",
  "gre ethernet": "eth:ethertype:ip:gre:eth:ethertype:ip:tcp",
  "gre over ipv6": "eth:ethertype:ipv6:gre:ip:tcp",
  "ip in ip": "eth:ethertype:ip:ip:tcp",
  "ipv6 in ip": "eth:ethertype:ip:ipv6:udp:data",
  "ip in ipv6": "eth:ethertype:ipv6:ip:tcp",
  vxlan: "eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:tcp",
  "vxlan vlan": "eth:ethertype:ip:udp:vxlan:eth:ethertype:vlan:ethertype:ip:tcp",
  "ip in ip in ip": "eth:ethertype:ip:ip:ip:tcp",
  "802.3 llc": "eth:llc",
  "unknown ethertype": "eth:ethertype",
  "ipv4 with padding": "eth:ethertype:ip:udp",
  "dns over udp": "eth:ethertype:ip:udp:dns",
  "dns over tcp": "eth:ethertype:ip:tcp:dns",
  "tls, encrypted as a hello begins": "eth:ethertype:ip:tcp:tls",
  "multicast dns": "eth:ethertype:ipv6:udp:mdns",
  llmnr: "eth:ethertype:ip:udp:llmnr",
  "bad ip version": "eth:ethertype:ip",
  "ipv4 header length too short": "eth:ethertype:ip",
  "ipv4 total length too short": "eth:ethertype:ip",
  "ipv4 total length zero (offload)": "eth:ethertype:ip:tcp:data",
  "udp length too short": "eth:ethertype:ip:udp",
  "tcp header length too short": "eth:ethertype:ip:tcp",
  "tcp cut after ports": "eth:ethertype:ip:tcp",
  "ipv4 cut": "eth:ethertype:ip",
  "ethernet cut": "eth",
  "raw ipv4": "raw:ip:tcp",
  "raw ipv6": "raw:ipv6:udp:data",
  "linktype ipv4": "ip:tcp",
  "linktype ipv6": "ipv6:udp:data",
  sll: "sll:ethertype:ip:tcp",
  "sll vlan": "sll:ethertype:vlan:ethertype:ip:tcp",
  "sll arp": "sll:ethertype:arp",
  sll2: "sll:ethertype:ipv6:udp:data",
  "null little": "null:ip:tcp",
  "null big": "null:ip:tcp",
  "null ipv6 (BSD)": "null:ipv6:udp:data",
  "null ipv6 (macOS)": "null:ipv6:udp:data",
  loop: "null:ip:tcp",
  ppp: "ppp:ip:tcp",
  "unknown link type": "",
};

describe("the stack of layers", () => {
  for (const { name, frame, linkType } of f.exoticFrames()) {
    it(`is tshark's: ${name}`, () => assert.equal(decode(frame, linkType).protocols, PROTOCOLS[name]));
  }
});

describe("columns", () => {
  it("hold addresses, ports and flags of TCP", () => {
    const payload = f.u8(1, 2, 3, 4, 5);
    const { bytes, columns: c } = decode(f.eth(0x0800, f.ip4(6, f.tcp(40_000, 443, 0x112, payload, [1, 1, 1, 0]))));
    assert.deepEqual([c.ipVersion[0], c.ipProtocol[0], c.ipAt[1]], [4, 6, -1]);
    assert.deepEqual([formatIp4(bytes, c.ipAt[0]! + 12), formatIp4(bytes, c.ipAt[0]! + 16)], ["10.0.0.1", "10.0.0.2"]);
    assert.deepEqual([c.sourcePort[0], c.destinationPort[0]], [40_000, 443]);
    assert.deepEqual(
      [c.tcpFlags[0], c.tcpSequence[0], c.tcpAcknowledgment[0], c.tcpWindow[0]],
      [0x112, 1000, 2000, 512],
    );
    assert.deepEqual([c.payloadLength[0], c.payloadOriginalLength[0]], [5, 5]);
    assert.deepEqual(Buffer.from(bytes.subarray(c.payloadAt[0], c.payloadAt[0]! + 5)), payload);
    assert.deepEqual(
      [formatMac(bytes, c.sourceMacAt[0]!), formatMac(bytes, c.destinationMacAt[0]!)],
      ["02-00-00-00-00-0A", "02-00-00-00-00-0B"],
    );
    assert.deepEqual([c.flags[0], c.etherType[0], c.vlanCount[0]], [0, 0x0800, 0]);
  });

  it("do not count the padding of short frames as payload", () => {
    const { columns } = decode(f.join(f.eth(0x0800, f.ip4(17, f.udp(1, 2, [9]))), Buffer.alloc(17)));
    assert.deepEqual([columns.payloadLength[0], columns.payloadOriginalLength[0]], [1, 1]);
  });

  it("know what a payload was on the wire when the snap length cut it", () => {
    const { columns } = decode(f.eth(0x0800, f.ip4(17, f.udp(1, 2, Buffer.alloc(500)))), 1, 60);
    assert.deepEqual([columns.payloadLength[0], columns.payloadOriginalLength[0]], [18, 500]);
    assert.equal(columns.flags[0]! & FLAG.cut, 0, "all headers are there");
  });

  it("have the outermost and the innermost IP header of a tunnel", () => {
    const inner = f.ip4(6, f.tcp(1234, 80, 2), { source: "192.168.1.1", destination: "192.168.1.2" });
    const middle = f.ip4(17, f.udp(9, 4789, f.vxlan(1, f.eth(0x0800, inner))), { source: "172.16.0.1" });
    const { bytes, columns: c } = decode(f.eth(0x0800, f.ip4(4, middle)));
    assert.deepEqual(
      [0, 1].map((slot) => [formatIp4(bytes, c.ipAt[slot]! + 12), c.ipProtocol[slot], c.sourcePort[slot]]),
      [
        ["10.0.0.1", 4, 0],
        ["192.168.1.1", 6, 1234],
      ],
    );
    assert.equal(c.tcpFlags[0], 2);
  });

  it("do not carry what the headers of a tunnel said over to an inner packet without ports", () => {
    const inner = f.ip4(50, Buffer.alloc(20));
    const { columns: c } = decode(f.eth(0x0800, f.ip4(17, f.udp(9, 4789, f.vxlan(1, f.eth(0x0800, inner))))));
    assert.deepEqual([c.sourcePort[0], c.destinationPort[0], c.transportAt[1], c.sourcePort[1]], [9, 4789, -1, 0]);
    assert.deepEqual([c.payloadAt[0], c.payloadLength[0]], [-1, 0]);
  });

  it("keep every VLAN tag, with its priority", () => {
    const { bytes, columns: c } = decode(f.eth(0x88a8, f.tag(100, 0x8100, f.tag(200, 0x0806, f.arp(1)), 7)));
    const tags = [c.vlanAt[0]!, c.innerVlanAt[0]!].map((at) => (bytes[at]! << 8) | bytes[at + 1]!);
    assert.deepEqual([c.vlanCount[0], tags], [2, [0xe064, 200]]);
    assert.ok(c.arpAt[0]! > 0);
  });

  it("read no ports from a piece that is not the first of its datagram", () => {
    for (const frame of [
      f.eth(0x0800, f.ip4(17, f.udp(1, 2, []), { fragment: 1 })),
      f.eth(0x86dd, f.ip6(44, f.fragment6(17, 8, false, f.udp(1, 2, [])))),
    ]) {
      const { columns } = decode(frame);
      assert.deepEqual([columns.sourcePort[0], columns.transportAt[0], columns.ipProtocol[0]], [0, -1, 17]);
      assert.equal(columns.flags[0], FLAG.fragment | FLAG.laterFragment);
    }
  });

  it("take an IPv6 fragment that is a whole datagram for what it is", () => {
    const { columns } = decode(f.eth(0x86dd, f.ip6(44, f.fragment6(17, 0, false, f.udp(1, 2, [])))));
    assert.deepEqual([columns.sourcePort[0], columns.flags[0]], [1, 0]);
  });

  it("take for DNS over TCP only a segment that is one whole message", () => {
    const message = Buffer.alloc(20);
    for (const [payload, isDns] of [
      [f.join(f.u16(20), message), true],
      [f.join(f.u16(21), message), false],
      [f.join(f.u16(20), message, message), false],
      [f.u8(0), false],
    ] as const) {
      const { columns, protocols } = decode(f.eth(0x0800, f.ip4(6, f.tcp(53, 4000, 0x18, payload))));
      assert.equal(columns.application[0] === LAYER.dns, isDns);
      // By its port, as tshark has it.
      assert.ok(protocols.endsWith(":dns"));
    }
  });

  it("are empty again for the next batch", () => {
    const decoder = new HeaderDecoder(4);
    const frames = [f.eth(0x8100, f.tag(5, 0x0800, f.ip4(6, f.tcp(1, 2, 0x18, [1])))), Buffer.alloc(0)];
    for (const frame of frames) {
      for (const batch of new CaptureReader(4).read(f.pcap([frame]))) decoder.decode(batch);
    }
    const c = decoder.columns;
    const numbers = [c.ipAt, c.vlanAt, c.sourceMacAt, c.payloadAt, c.transportAt].map((column) => column[0]);
    assert.deepEqual(numbers, [-1, -1, -1, -1, -1]);
    assert.deepEqual(
      [c.vlanCount[0], c.sourcePort[0], c.tcpFlags[0], c.payloadLength[0], c.etherType[0]],
      [0, 0, 0, 0, 0],
    );
    assert.equal(c.flags[0], FLAG.cut);
  });
});

describe("headers that are not all there", () => {
  it("are marked as cut wherever the frame ends, and what there is is kept", () => {
    const frame = f.eth(0x8100, f.tag(5, 0x86dd, f.ip6(0, f.extension(6, f.tcp(1, 2, 2)))));
    for (let length = 0; length < frame.length; length++) {
      const { columns } = decode(frame.subarray(0, length), 1);
      assert.equal(columns.flags[0]! & FLAG.cut, FLAG.cut, `${length} bytes`);
      assert.equal(columns.ipAt[0]! >= 0, length >= 14 + 4 + 40, `${length} bytes`);
      assert.equal(columns.sourcePort[0], length >= 14 + 4 + 40 + 8 + 4 ? 1 : 0, `${length} bytes`);
    }
    assert.equal(decode(frame).columns.flags[0], 0);
  });

  it("are marked as malformed where they contradict themselves", () => {
    for (const name of [
      ...["bad ip version", "ipv4 header length too short", "ipv4 total length too short"],
      ...["udp length too short", "tcp header length too short"],
    ]) {
      const { frame } = f.exoticFrames().find((each) => each.name === name)!;
      assert.equal(decode(frame).columns.flags[0], FLAG.malformed, name);
    }
  });

  it("that nest too deeply are left at some depth, and that is marked", () => {
    let inner = f.ip4(17, f.udp(1, 2, []));
    for (let i = 0; i < 100; i++) inner = f.ip4(4, inner);
    assert.equal(decode(inner, 101).columns.flags[0], FLAG.tooDeep);
    let tags = f.arp(1);
    for (let i = 0; i < 1000; i++) tags = f.tag(i, i === 0 ? 0x0806 : 0x8100, tags);
    assert.equal(decode(f.eth(0x8100, tags)).columns.flags[0], FLAG.tooDeep);
  });
});

it("what begins HTTP messages is told the same in WebAssembly as layer by layer, and what nearly does", () => {
  const starts = MESSAGE_STARTS.map((start) => Buffer.from(start).toString("latin1"));
  const bodies = starts.flatMap((start) => [
    ...[`${start}/ HTTP/1.1`, start.slice(0, 8).padEnd(8, "x"), start.padEnd(12, "\0"), start],
    ...[`${start.slice(0, -1)}X/ HTTP`, start.toLowerCase() + "/ HTTP", `${start.slice(0, 2)}!!!!!!!!`],
  ]);
  const frames = bodies.map((body) =>
    f.eth(0x0800, f.ip4(6, f.tcp(50_000, 40_000, 0x18, Buffer.from(body, "latin1")))),
  );
  const decoder = new HeaderDecoder(1024);
  const layered = new HeaderDecoder(1024, true);
  assert.ok(decoder.memory !== undefined);
  let found = 0;
  for (const batch of new CaptureReader(1024, decoder.memory).read(f.pcap(frames))) {
    const ours = [...decoder.decode(batch).application.subarray(0, batch.count)];
    assert.deepEqual(ours, [...layered.decode(batch).application.subarray(0, batch.count)]);
    found += ours.filter((layer) => layer === LAYER.http).length;
  }
  assert.ok(found >= starts.length && found < frames.length, `${found} of ${frames.length}`);
});

it("a reader whose batches are larger than the decoder's memory is refused", () => {
  const { memory } = new HeaderDecoder(1024);
  assert.throws(() => new CaptureReader(4096, memory), RangeError);
});
