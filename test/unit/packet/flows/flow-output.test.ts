import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CaptureReader } from "../../../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../../../src/packet/headers/decode.ts";
import { PacketEvents } from "../../../../src/packet/packet-event.ts";
import { FlowOutput } from "../../../../src/packet/flows/flow-output.ts";
import { documentsOf, flowsOf, pcapAt, segment, type FlowDocument, type TimedFrame } from "../../../support/flows.ts";
import * as f from "../../../support/frames.ts";

const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];

/** The one flow of some frames, a millisecond apart. */
function flowOf(frames: readonly Uint8Array[], options = {}): FlowDocument {
  const flows = flowsOf(pcapAt(frames.map((frame, i) => [i, frame])), options);
  assert.equal(flows.length, 1);
  return flows[0]!;
}

const HANDSHAKE = [segment(">", SYN, 99), segment("<", SYN | ACK, 499), segment(">", ACK, 100)];

describe("a TCP connection", () => {
  it("is one flow of both directions, with its times, sizes, flags and round-trip times", () => {
    const frames = [
      ...[...HANDSHAKE, segment(">", ACK, 100, 10), segment("<", ACK, 500, 1000)],
      ...[segment(">", FIN | ACK, 110), segment("<", FIN | ACK, 1500), segment(">", ACK, 111)],
    ];
    const { event, flow, source, destination, network } = flowOf(frames);
    const start = new Date(1_700_000_000_000).toISOString();
    assert.deepEqual([event.start, event.duration], [start, 7_000_000]);
    assert.deepEqual([source.ip, source.port, source.packets, source.bytes], ["10.0.0.1", 40_000, 5, 5 * 54 + 10]);
    assert.deepEqual([destination.ip, destination.port, destination.packets], ["10.0.0.2", 80, 3]);
    assert.deepEqual([flow.source.payload_bytes, flow.destination.payload_bytes], [10, 1000]);
    assert.deepEqual([network.packets, network.bytes, network.transport], [8, 8 * 54 + 1010, "tcp"]);
    assert.equal(flow.tcp?.state, "closed");
    assert.deepEqual(flow.source.tcp?.flags, ["fin", "syn", "ack"]);
    assert.deepEqual([flow.destination.rtt_ns, flow.source.rtt_ns, flow.rtt_ns], [1e6, 1e6, 2e6]);
    assert.deepEqual([flow.final, flow.end_reason], [true, "end_of_capture"]);
  });

  it("that the capture meets halfway is told by the server's port, and one that begins with the answer by that", () => {
    assert.equal(flowOf([segment("<", ACK, 500, 10), segment(">", ACK, 100)]).source.port, 40_000);
    assert.equal(flowOf([HANDSHAKE[1]!, HANDSHAKE[2]!]).source.port, 40_000);
    assert.equal(flowOf([segment(">", SYN, 1, 0, [80, 40_000])]).source.port, 80, "who sends a SYN begins");
  });

  for (const [state, frames] of Object.entries({
    syn_sent: [HANDSHAKE[0]!],
    refused: [HANDSHAKE[0]!, segment("<", RST | ACK, 0)],
    syn_received: HANDSHAKE.slice(0, 2),
    established: HANDSHAKE,
    half_closed: [...HANDSHAKE, segment(">", FIN | ACK, 100)],
    reset: [...HANDSHAKE, segment("<", RST, 500)],
  }))
    it(`has its state: ${state}`, () => assert.equal(flowOf(frames).flow.tcp?.state, state));

  it("counts what is sent again, also the SYN, and not the probes of a silent peer", () => {
    const { source } = flowOf([
      ...[HANDSHAKE[0]!, HANDSHAKE[0]!, ...HANDSHAKE.slice(1), segment(">", ACK, 100, 10), segment(">", ACK, 100, 10)],
      ...[segment(">", ACK, 105, 20), segment(">", ACK, 124), segment(">", ACK, 124, 1), segment(">", ACK, 125, 5)],
    ]).flow;
    assert.deepEqual(source.tcp, {
      ...{ flags: ["syn", "ack"], retransmissions: 3, out_of_order: 0, gaps: 0, missing_bytes: 0 },
    });
  });

  it("tells what the capture has missed, and takes back what comes late", () => {
    const gap = [...HANDSHAKE, segment("<", ACK, 500, 100), segment("<", ACK, 900, 100)];
    assert.deepEqual(flowOf(gap).flow.destination.tcp, {
      ...{ flags: ["syn", "ack"], retransmissions: 0, out_of_order: 0, gaps: 1, missing_bytes: 300 },
    });
    const late = [...gap, segment("<", ACK, 600, 200), segment("<", ACK, 800, 100), segment("<", ACK, 900, 100)];
    assert.deepEqual(flowOf(late).flow.destination.tcp, {
      ...{ flags: ["syn", "ack"], retransmissions: 1, out_of_order: 2, gaps: 1, missing_bytes: 0 },
    });
  });

  it("counts right when sequence numbers begin again at zero", () => {
    const near = 0xffff_fff0;
    const frames = [segment(">", SYN, near - 1), segment(">", ACK, near, 100), segment(">", ACK, near + 100, 100)];
    const again = [...frames, segment(">", ACK, near, 100), segment(">", ACK, near + 300, 50)];
    const { tcp, payload_bytes } = flowOf(again).flow.source;
    assert.deepEqual([tcp?.retransmissions, tcp?.gaps, tcp?.missing_bytes, payload_bytes], [1, 1, 100, 350]);
  });

  it("is told in full by one direction alone, where the other takes another route", () => {
    const { flow, destination } = flowOf([
      HANDSHAKE[0]!,
      HANDSHAKE[2]!,
      segment(">", ACK, 100, 50),
      segment(">", FIN | ACK, 150),
    ]);
    assert.deepEqual([flow.tcp?.state, flow.source.payload_bytes, destination.packets], ["half_closed", 50, 0]);
    assert.deepEqual([flow.source.tcp?.gaps, flow.rtt_ns], [0, undefined]);
    const { source } = flowOf([HANDSHAKE[1]!, segment("<", ACK, 500, 50)]);
    assert.deepEqual([source.port, source.packets], [40_000, 0]);
  });

  it("is another one when its ports are used again", () => {
    const closed = [...HANDSHAKE, segment(">", FIN | ACK, 100), segment("<", FIN | ACK, 500), segment(">", ACK, 101)];
    const again = [segment(">", SYN, 7000), segment("<", SYN | ACK, 9000), segment(">", ACK, 7001)];
    const flows = flowsOf(pcapAt([...closed, ...again].map((frame, i) => [i, frame])));
    assert.deepEqual(
      flows.map(({ flow, network }) => [flow.end_reason, flow.tcp?.state, network.packets]),
      [
        ["port_reuse", "closed", 6],
        ["end_of_capture", "established", 3],
      ],
    );
    assert.notEqual(flows[0]!.flow.id, flows[1]!.flow.id);
    const unseenEnd = flowsOf(pcapAt([...HANDSHAKE, ...again].map((frame, i) => [i, frame])));
    assert.equal(unseenEnd.length, 2, "the end of the first one was not captured");
  });
});

const ping = (type: number, way: ">" | "<", id = 7): Buffer => {
  const [source, destination] = way === ">" ? ["10.0.0.1", "10.0.0.2"] : ["10.0.0.2", "10.0.0.1"];
  return f.eth(0x0800, f.ip4(1, f.icmp(type, 0, f.u16(id, 1)), { source: source, destination: destination }));
};

describe("flows without TCP", () => {
  it("of a ping are one by its identifier, begun by the request even where the answer is seen first", () => {
    const { source, icmp } = flowOf([ping(0, "<"), ping(8, ">"), ping(0, "<")]);
    assert.deepEqual([source.ip, source.packets, icmp], ["10.0.0.1", 1, { version: 4, type: 8 }]);
    assert.equal(
      flowsOf(
        pcapAt([
          [0, ping(8, ">")],
          [1, ping(8, ">", 8)],
        ]),
      ).length,
      2,
    );
  });

  it("note the ICMP error that quotes one of their packets, and the error is a flow of one direction", () => {
    const datagram = f.ip4(17, f.udp(5000, 9, Buffer.alloc(40)));
    const error = f.icmp(3, 3, f.join(f.u32(0), datagram.subarray(0, 28)));
    const back = { source: "10.0.0.2", destination: "10.0.0.1" };
    const flows = flowsOf(
      pcapAt([
        [0, f.eth(0x0800, datagram)],
        [1, f.eth(0x0800, f.ip4(1, error, back))],
      ]),
    );
    assert.deepEqual(
      flows.map(({ network, flow }) => [network.transport, flow.icmp_error]),
      [
        ["udp", { type: 3, code: 3 }],
        ["icmp", undefined],
      ],
    );
  });

  it("count all pieces of a datagram where its first piece belongs, and pieces alone without ports", () => {
    const first = f.eth(0x0800, f.ip4(17, f.udp(9, 10, Buffer.alloc(16)), { fragment: 0x2000, id: 5 }));
    const later = (id: number): Buffer => f.eth(0x0800, f.ip4(17, Buffer.alloc(24, 7), { fragment: 3, id }));
    const flows = flowsOf(
      pcapAt([
        [0, first],
        [1, later(5)],
        [2, later(6)],
      ]),
    );
    assert.deepEqual(
      flows.map(({ source, flow }) => [source.port, source.packets, flow.source.payload_bytes]),
      [
        [9, 2, 16 + 24],
        [undefined, 1, 24],
      ],
    );
    const first6 = f.eth(0x86dd, f.ip6(44, f.fragment6(17, 0, true, f.udp(9, 10, Buffer.alloc(16)))));
    const later6 = f.eth(0x86dd, f.ip6(44, f.fragment6(17, 24, false, Buffer.alloc(16))));
    assert.equal(flowOf([first6, later6]).source.packets, 2);
  });

  it("in a tunnel are the tunnel's, or by choice those inside of it", () => {
    const inner = f.ip4(6, f.tcp(1234, 80, SYN), { source: "192.168.1.1", destination: "192.168.1.2" });
    const vxlan = f.eth(0x0800, f.ip4(17, f.udp(50_000, 4789, f.vxlan(1, f.eth(0x0800, inner)))));
    const gre = f.eth(0x0800, f.ip4(47, f.join(f.u16(0, 0x0800), inner)));
    const outer = flowsOf(
      pcapAt([
        [0, vxlan],
        [1, gre],
      ]),
    );
    assert.deepEqual(
      outer.map(({ network, source, flow }) => [network.transport, source.ip, source.port, flow.source.payload_bytes]),
      [
        ["udp", "10.0.0.1", 50_000, 8 + 14 + 40],
        ["gre", "10.0.0.1", undefined, 44],
      ],
    );
    const within = flowOf([vxlan, gre], { tunnels: "inner" });
    assert.deepEqual([within.source.ip, within.source.port, within.flow.tcp?.state], ["192.168.1.1", 1234, "syn_sent"]);
  });

  it("of different VLANs are different", () => {
    const datagram = f.ip4(17, f.udp(1000, 53));
    const flows = flowsOf(pcapAt([1, 2, 1].map((id, i) => [i, f.eth(0x8100, f.tag(id, 0x0800, datagram))])));
    assert.deepEqual(
      flows.map(({ network }) => [network.vlan?.id, network.packets]),
      [
        ["1", 2],
        ["2", 1],
      ],
    );
  });

  it("know their application by its first bytes", () => {
    const named = (frame: Buffer): string | undefined => flowOf([frame]).network.protocol;
    const over = (port: number, payload: Uint8Array): Buffer =>
      f.eth(0x0800, f.ip4(6, f.tcp(40_000, port, ACK, payload)));
    assert.equal(named(over(8080, Buffer.from("GET / HTTP/1.1\r\n"))), "http");
    assert.equal(named(over(9000, f.u8(0x16, 3, 1, 2, 0, 1))), "tls");
    assert.equal(named(over(22, Buffer.from("SSH-2.0-OpenSSH"))), "ssh");
    assert.equal(named(f.eth(0x0800, f.ip4(17, f.udp(123, 123, Buffer.alloc(48, 0x23))))), "ntp");
    assert.equal(named(f.eth(0x0800, f.ip4(17, f.udp(5000, 443, f.u8(0xc3, 0, 0, 0, 1, 8))))), "quic");
    assert.equal(named(over(8080, Buffer.from("hello"))), undefined);
  });
});

describe("records", () => {
  const datagram = f.eth(0x0800, f.ip4(17, f.udp(1000, 53)));
  const other = f.eth(0x0800, f.ip4(17, f.udp(1001, 53)));

  it("come in between while a flow goes on, with its totals so far and the same id", () => {
    const flows = flowsOf(pcapAt([0, 20, 40, 61, 80].map((at) => [at * 1000, datagram])), { activeMs: 60_000 });
    assert.deepEqual(
      flows.map(({ flow, network, event }) => [flow.final, network.packets, event.type]),
      [
        [false, 3, ["connection"]],
        [true, 5, ["connection", "end"]],
      ],
    );
    assert.equal(flows[0]!.flow.id, flows[1]!.flow.id);
  });

  it("come when a flow has been silent for long, and what follows is a new one", () => {
    const frames: TimedFrame[] = [
      [0, datagram],
      [30_000, other],
      [70_000, other],
      [75_000, datagram],
    ];
    const flows = flowsOf(pcapAt(frames), { udpIdleMs: 50_000 });
    assert.deepEqual(
      flows.map(({ flow, source, network }) => [flow.end_reason, source.port, network.packets]),
      [
        ["idle_timeout", 1000, 1],
        ["end_of_capture", 1000, 1],
        ["end_of_capture", 1001, 2],
      ],
    );
  });

  it("come at the moment that the source of packets tells, when no packets come", () => {
    const output = new FlowOutput({ maxFlows: 10, udpIdleMs: 50_000 });
    const found: FlowDocument[] = [];
    const sink = { add: (json: string) => void found.push(JSON.parse(json) as FlowDocument) };
    const reader = new CaptureReader();
    for (const batch of reader.read(pcapAt([[0, datagram]])))
      output.take(batch, new HeaderDecoder(1024).decode(batch), reader.interfaces, sink);
    output.advance(1_700_000_049_000, sink);
    assert.equal(found.length, 0);
    output.advance(1_700_000_060_000, sink);
    assert.deepEqual(
      found.map(({ flow, event }) => [flow.end_reason, event.duration]),
      [["idle_timeout", 0]],
    );
  });

  it("make room for new flows when there are too many: the most silent one goes, counted", () => {
    const output = new FlowOutput({ maxFlows: 3 });
    const frames = [1, 2, 3, 1, 4].map((port, i): TimedFrame => [i, f.eth(0x0800, f.ip4(17, f.udp(port + 2000, 53)))]);
    const flows = documentsOf(pcapAt(frames), output) as FlowDocument[];
    assert.deepEqual([flows[0]!.flow.end_reason, flows[0]!.source.port], ["evicted", 2002]);
    assert.equal(flows.length, 4);
    const { evicted_flows, begun_flows, ended_flows, packets } = output.counters();
    assert.deepEqual([evicted_flows, begun_flows, ended_flows, packets], [1, 4, 4, 5]);
  });

  it("say the direction as this machine sees it", () => {
    const isOwn = (ip: string): boolean => ip === "10.0.0.1";
    const between = (source: string, destination: string): string | undefined =>
      flowOf([f.eth(0x0800, f.ip4(17, f.udp(1, 2), { source, destination }))], { isOwn }).network.direction;
    assert.equal(between("10.0.0.1", "10.0.0.9"), "egress");
    assert.equal(between("10.0.0.9", "10.0.0.1"), "ingress");
    assert.equal(between("10.0.0.9", "10.0.0.255"), "external");
    assert.equal(between("10.0.0.9", "239.1.1.1"), "ingress");
    assert.equal(between("10.0.0.1", "10.0.0.1"), "internal");
    assert.equal(flowOf([datagram]).network.direction, undefined);
  });

  it("are the same when the capture is read again, whatever its table's hash", () => {
    const frames = f.exoticFrames().filter(({ linkType }) => linkType === 1);
    const capture = pcapAt(frames.map(({ frame }, i) => [i, frame]));
    assert.deepEqual(flowsOf(capture), flowsOf(capture));
    const packets = flowsOf(capture).reduce((sum, { network }) => sum + network.packets, 0);
    const withoutIp = frames.filter(({ name }) => /arp|llc|unknown|discovery|cut|bad ip|too short/.test(name)).length;
    assert.ok(packets >= frames.length - withoutIp && packets < frames.length);
  });

  it("have the Community IDs of their packets", () => {
    for (const linkType of [1, 101, 113]) {
      const frames = f.exoticFrames().filter((each) => each.linkType === linkType);
      const capture = f.pcap(
        frames.map(({ frame }) => frame),
        { linkType },
      );
      const reader = new CaptureReader(100);
      const events = new PacketEvents();
      const ids = new Set<string | undefined>();
      for (const batch of reader.read(capture)) {
        const columns = new HeaderDecoder(100).decode(batch);
        for (let i = 0; i < batch.count; i++) ids.add(events.of(batch, columns, i, undefined).network.community_id);
      }
      ids.delete(undefined);
      assert.deepEqual(new Set(flowsOf(capture).map(({ network }) => network.community_id)), ids);
    }
  });

  it("have no times where the capture tells none", () => {
    const b = new f.PcapngBlocks();
    const capture = f.join(b.section(), b.interface(1, 0), b.simple(datagram), b.simple(datagram));
    const [flow, ...more] = flowsOf(capture);
    assert.deepEqual(
      [more.length, flow!["@timestamp"], flow!.event.start, flow!.network.packets],
      [0, undefined, undefined, 2],
    );
  });
});
