import assert from "node:assert/strict";
import { it } from "node:test";
import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { dissect } from "../../src/packet/dissect.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";
import { createOutput, type OutputName } from "../../src/packet/outputs.ts";
import { Conversation } from "../support/conversation.ts";
import { exoticFrames, pcap } from "../support/frames.ts";
import { FUZZ_FRAMES, FUZZ_MS } from "../support/fuzz.ts";
import { arpFor, datagram, dhcp, dhcpFrame, dns, echo, neighbour, ntp } from "../support/messages.ts";

/** Frames in one capture: a second of them. */
const FRAMES = 1000;
const LINK_TYPES = [1, 1, 1, 1, 0, 9, 12, 101, 108, 113, 228, 229, 276, 147];
const OUTPUTS: Readonly<Partial<Record<OutputName, object>>> = {
  packets: {},
  flows: { max_flows: 20_000 },
  stats: {},
  transactions: { max_open: 2000, max_stream_bytes: 1 << 20 },
};
/** What all tables above may take, and garbage that was not collected yet. */
const MOST_BYTES = 256 << 20;
/** A capture of a thousand frames takes some milliseconds. */
const MOST_MS = 10_000;

/** xorshift32: fast, and the same each time. */
class Random {
  #state = 0x9e3779b9;

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (this.#state = x) >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  fill(bytes: Buffer, at: number, length: number): void {
    for (let i = 0; i < length; i += 4) bytes.writeUInt32LE(this.next(), at + i);
  }
}

/** Frames of every kind that is known, by link type: what is damaged. */
function knownFrames(): Map<number, readonly Buffer[]> {
  const talk = new Conversation().open().ask("GET /a?b=c HTTP/1.1\r\nHost: web.test\r\nCookie: sid=1\r\n\r\n");
  talk.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").close();
  const messages = [true, false].flatMap((isQuestion) => [
    datagram(isQuestion, [4000, 53], dns(1, "a.test", isQuestion ? undefined : 0)),
    datagram(isQuestion, [4000, 123], ntp(isQuestion, 1)),
    dhcpFrame(isQuestion, dhcp(isQuestion ? "discover" : "offer", 1, [[12, Buffer.from("laptop")]])),
    ...[echo(4, isQuestion, 1), echo(6, isQuestion, 1), neighbour(isQuestion, 2), arpFor(isQuestion, 2)],
  ]);
  const all = new Map<number, Buffer[]>();
  for (const { linkType, frame } of exoticFrames()) all.set(linkType, [...(all.get(linkType) ?? []), frame]);
  all.get(1)!.push(...talk.frames.map(({ frame }) => Buffer.from(frame)), ...messages);
  return all;
}

const MOST_FRAME_BYTES = 1504;
/** Room for one capture, used for all of them. */
const room = Buffer.alloc(24 + FRAMES * (16 + MOST_FRAME_BYTES));

/** A capture of frames: half of them any bytes, half known ones with flipped bits; many of them are cut. */
function damagedCapture(random: Random, known: ReadonlyMap<number, readonly Buffer[]>, second: number): Buffer {
  const linkType = LINK_TYPES[random.below(LINK_TYPES.length)]!;
  const examples = known.get(linkType) ?? known.get(1)!;
  let at = pcap([], { linkType }).copy(room);
  for (let i = 0; i < FRAMES; i++) {
    const frameAt = at + 16;
    let size: number;
    if (random.below(2) === 0) {
      size = random.below(random.below(8) === 0 ? 1500 : 120);
      random.fill(room, frameAt, size);
    } else {
      const example = examples[random.below(examples.length)]!;
      size = example.copy(room, frameAt);
      for (let flips = random.below(6); flips > 0; flips--) room[frameAt + random.below(size)]! ^= 1 << random.below(8);
      if (random.below(4) === 0) size = random.below(size);
    }
    room.writeUInt32LE(1_700_000_000 + second, at);
    room.writeUInt32LE(i * 1000, at + 4);
    room.writeUInt32LE(size, at + 8);
    // What was cut off had been on the wire.
    room.writeUInt32LE(size + (random.below(4) === 0 ? random.below(1400) : 0), at + 12);
    at = frameAt + size;
  }
  return room.subarray(0, at);
}

it(`random and damaged frames become events of every kind, in bounded time and memory`, (t) => {
  const random = new Random();
  const known = knownFrames();
  const decoder = new HeaderDecoder(1024);
  const outputs = Object.entries(OUTPUTS).map(([name, options]) => createOutput(name as OutputName, options));
  let [documents, bytes, frames, slowestMs, mostBytes] = [0, 0, 0, 0, 0];
  const sink = {
    add(json: string): void {
      documents++;
      bytes += json.length;
      // Parsing all would take most of the time.
      if (documents % 97 === 0) JSON.parse(json);
    },
  };
  const usedBytes = (): number => {
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    return heapUsed + external + arrayBuffers;
  };
  const before = usedBytes();
  const began = performance.now();
  const isOver = (): boolean =>
    FUZZ_FRAMES === undefined ? performance.now() - began > FUZZ_MS * 0.8 : frames >= FUZZ_FRAMES;
  for (let second = 0; !isOver(); second++) {
    const capture = damagedCapture(random, known, second);
    const from = performance.now();
    const reader = new CaptureReader(1024);
    for (const batch of reader.read(capture)) {
      const columns = decoder.decode(batch);
      for (const output of outputs) output.take(batch, columns, reader.interfaces, sink);
      // Last: it decodes its packets once more.
      for (let i = 0; i < batch.count; i += 8) {
        for (const { offset, length } of dissect(batch, i, decoder))
          assert.ok(offset >= 0 && length > 0 && offset + length <= batch.capturedLength[i]!);
      }
      frames += batch.count;
    }
    slowestMs = Math.max(slowestMs, performance.now() - from);
    if (second % 16 !== 0) continue;
    mostBytes = Math.max(mostBytes, usedBytes() - before);
    assert.ok(mostBytes < MOST_BYTES, `${mostBytes} bytes more after ${frames} frames`);
  }
  for (const output of outputs) output.finish(sink);
  assert.ok(slowestMs < MOST_MS, `a capture of ${FRAMES} frames took ${slowestMs} ms`);
  assert.ok(frames >= FRAMES && documents > frames);
  const counters = outputs.map((output) => output.counters());
  assert.deepEqual(
    counters.map((each) => each["transactions_open"] ?? 0),
    [0, 0, 0, 0],
  );
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(
    `${frames} frames in ${seconds.toFixed(1)} s became ${documents} events of ${bytes} bytes; at most ${(mostBytes / 2 ** 20).toFixed(0)} MiB more on the heap, ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB resident; the slowest ${FRAMES} took ${slowestMs.toFixed(0)} ms`,
  );
});
