import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";
import { createOutput } from "../../src/packet/outputs.ts";
import { Conversation, transactionsOf, type TimedFrame } from "../support/conversation.ts";
import { exoticFrames, pcap } from "../support/frames.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 2, numRuns: 10_000_000, markInterruptAsFailure: false };

const HELLO = Buffer.from(
  "16030100350100003103030101010101010101010101010101010101010101010101010101010101010101010100000213010100000600",
  "hex",
);
const FRAMES: readonly TimedFrame[] = [
  ...new Conversation(80)
    .open()
    .ask(
      "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
      30,
    )
    .answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 101 Up\r\n\r\n", 20)
    .close().frames,
  ...new Conversation(443, { clientPort: 40_001 }).open().ask(HELLO, 20).answer(HELLO, 9).reset().frames,
  ...new Conversation(53, { clientPort: 40_002 }).open().ask(Buffer.alloc(40, 1), 7).answer(Buffer.alloc(90, 3)).frames,
  ...exoticFrames()
    .filter(({ linkType }) => linkType === 1)
    .map(({ frame }, ms) => ({ frame, ms })),
];

it("damaged, reordered and repeated packets become transactions that JSON can hold, and nothing waits at the end", () => {
  const change = fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 0, max: 255 }));
  const picks = fc.array(fc.nat({ max: FRAMES.length - 1 }), { maxLength: 60 });
  fc.assert(
    fc.property(picks, fc.array(change, { maxLength: 30 }), fc.nat(30), (order, changes, less) => {
      const frames = [...FRAMES, ...order.map((i) => FRAMES[i]!)].map(({ frame, ms }) => ({
        ms,
        frame: Buffer.from(frame),
      }));
      for (const [i, at, value] of changes) {
        const { frame } = frames[i % frames.length]!;
        frame[at % frame.length] = value;
      }
      const cut = frames.map(({ ms, frame }, i) => ({
        ms,
        frame: i % 7 === 0 ? frame.subarray(0, frame.length - (less % frame.length)) : frame,
      }));
      const { documents, counters } = transactionsOf(cut);
      assert.ok(documents.every((each) => typeof each.type === "string" && each.client !== undefined));
      assert.deepEqual([counters["transactions_open"], counters["transactions_waiting_stream_bytes"]], [0, 0]);
    }),
    limits,
  );
});

it("random frames without end leave memory bounded", () => {
  const random = Buffer.alloc(1 << 18);
  let seed = 7;
  for (let i = 0; i < random.length; i++) random[i] = (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) >>> 24;
  const frames = Array.from({ length: 1000 }, (_, i) => {
    const frame = Buffer.from(random.subarray(i * 200, i * 200 + 60 + (i % 130)));
    // IPv4 with TCP, UDP or a piece of a datagram, on the ports that are looked into.
    frame.set(
      [0x08, 0x00, 0x45, 0, 0, frame.length - 14, i & 255, i >> 8, i % 5 === 0 ? 0x20 : 0, i % 5 === 0 ? i & 63 : 0],
      12,
    );
    frame.set([64, i % 3 === 0 ? 17 : 6], 22);
    frame.set([0, [53, 80, 123, 67, 443][i % 5]!], 36);
    if (i % 3 !== 0) frame[46] = 0x50;
    return frame;
  });
  const capture = pcap(frames);
  const decoder = new HeaderDecoder(1024);
  const output = createOutput("transactions", { max_open: 1000, max_stream_bytes: 1 << 20 });
  const sink = { add: (json: string) => void JSON.parse(json) };
  const before = process.memoryUsage().heapUsed;
  const deadline = performance.now() + FUZZ_MS / 2;
  for (let round = 0; round < 10_000 && performance.now() < deadline; round++) {
    for (let i = 66; i < capture.length; i += 61) capture[i] = (capture[i]! + round * 7) & 255;
    for (const batch of new CaptureReader(1024).read(capture)) output.take(batch, decoder.decode(batch), [], sink);
    const counters = output.counters();
    assert.ok(counters["transactions_connections_open"]! <= 1000);
    assert.ok(counters["transactions_waiting_stream_bytes"]! <= 2 << 20);
    assert.ok(process.memoryUsage().heapUsed - before < 200e6);
  }
  output.finish(sink);
});
