import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { FlowOutput } from "../../src/packet/flows/flow-output.ts";
import { documentsOf, segment, type FlowDocument } from "../support/flows.ts";
import { exoticFrames, pcap } from "../support/frames.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS, numRuns: 10_000_000, markInterruptAsFailure: false };
const FRAMES = exoticFrames().filter(({ linkType }) => linkType === 1);

it("any frames, at any times, are counted in one record each, and no flow ends twice", () => {
  const exotic = fc.constantFrom(...FRAMES).map(({ frame }) => frame);
  const number = fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 0xffffffff }));
  const ports = fc.constantFrom<number[]>([1, 80], [2, 80]);
  const segments = fc
    .tuple(fc.constantFrom(">" as const, "<" as const), fc.nat({ max: 31 }), number, fc.nat({ max: 50 }), ports)
    .map((all) => segment(...all));
  const damaged = fc
    .tuple(
      exotic,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
      fc.nat({ max: 30 }),
    )
    .map(([frame, changes, less]) => {
      const bytes = Buffer.from(frame.subarray(0, Math.max(0, frame.length - less)));
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
      return bytes;
    });
  const times = fc.oneof(fc.nat({ max: 200 }), fc.integer({ min: 0, max: 0xffffffff }));
  const packets = fc.array(fc.tuple(fc.oneof(segments, damaged, exotic), times), { maxLength: 40 });
  fc.assert(
    fc.property(packets, fc.constantFrom("inner" as const, "outer" as const), (all, tunnels) => {
      const capture = pcap(all.map(([frame]) => frame));
      let at = 24;
      for (const [frame, seconds] of all) {
        capture.writeUInt32LE(seconds, at);
        at += 16 + frame.length;
      }
      const output = new FlowOutput({ maxFlows: 8, tunnels });
      const flows = documentsOf(capture, output) as FlowDocument[];
      const counted = flows
        .filter(({ flow }) => flow.final)
        .reduce((sum, { source, destination, network }) => {
          assert.equal(network.packets, source.packets + destination.packets);
          return sum + network.packets;
        }, 0);
      const { packets: taken, packets_without_ip: others, active_flows, begun_flows, ended_flows } = output.counters();
      assert.deepEqual([taken, counted], [all.length, all.length - others!]);
      assert.deepEqual([active_flows, begun_flows], [0, ended_flows]);
      for (const { flow, event } of flows) {
        assert.ok(event.duration === undefined || event.duration >= 0);
        for (const { payload_bytes, tcp } of [flow.source, flow.destination])
          assert.ok(payload_bytes >= 0 && (tcp === undefined || tcp.missing_bytes <= 0xffffffff));
      }
    }),
    limits,
  );
});
