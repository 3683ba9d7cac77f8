import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LineSplitter, type LineRules, type SplitEnd } from "../../../src/codec/lines.ts";
import { LineStream } from "../../../src/codec/line-stream.ts";
import { encodingOf } from "../../../src/codec/text-encoding.ts";

interface Line {
  text: string;
  offset: number;
  flags: readonly string[] | undefined;
}

/** Feeds bytes as a reader does: what was not consumed comes again, with more behind it. */
function feed(
  bytes: Buffer,
  cuts: readonly number[],
  rules: LineRules,
  end: SplitEnd = "all",
  from = 0,
): { lines: Line[]; dropped: number; position: number } {
  const splitter = new LineSplitter(rules);
  splitter.midLine = from > 0 && bytes[from - 1] !== 10;
  const lines: Line[] = [];
  let position = from;
  let dropped = 0;
  for (const until of [
    ...[...cuts].sort((a, b) => a - b).filter((cut) => cut > from && cut < bytes.length),
    bytes.length,
  ]) {
    for (;;) {
      const last = until === bytes.length;
      const split = splitter.split(Buffer.from(bytes.subarray(position, until)), position, last ? end : "open");
      for (let i = 0; i < split.count; i++) {
        lines.push({
          text: split.text.slice(split.starts[i], split.ends[i]),
          offset: split.offsets[i]!,
          flags: split.flags?.get(i),
        });
      }
      position += split.consumed;
      dropped += split.dropped;
      if (split.consumed === 0) break;
    }
  }
  return { lines, dropped, position };
}

/** The plainest way to say what a line is. */
function model(bytes: Buffer, max: number): { lines: Line[]; dropped: number } {
  const lines: Line[] = [];
  let dropped = 0;
  let start = 0;
  while (start < bytes.length) {
    let end = start;
    while (end < bytes.length && bytes[end] !== 10) end++;
    let content = bytes.subarray(start, end);
    if (end < bytes.length && content.at(-1) === 13) content = content.subarray(0, -1);
    let flags: string[] | undefined;
    if (content.length > max) {
      flags = ["truncated"];
      let cut = max;
      while (cut > 0 && max - cut < 4 && (content[cut]! & 0xc0) === 0x80) cut--;
      if (max - cut === 4) cut = max;
      dropped += content.length - cut;
      content = content.subarray(0, cut);
    }
    let text = content.toString("utf8");
    if (start === 0 && text.startsWith("\ufeff")) text = text.slice(1);
    lines.push({ text, offset: start, flags });
    start = end + 1;
  }
  return { lines, dropped };
}

const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("\n", "\r\n", "\r", "a", "line two", "\0") },
  { weight: 2, arbitrary: fc.constantFrom("ä", "€", "😀", "\ufeff", "日本語") },
  fc.string({ maxLength: 30 }),
);
const textInput = fc.array(piece, { maxLength: 40 }).map((parts) => Buffer.from(parts.join("")));
const byteInput = fc
  .array(
    fc.oneof(
      fc.constantFrom(10, 13, 0x80, 0xc3, 0xe2, 0xf0, 0xff, 0xef, 0xbb, 0xbf, 0),
      fc.integer({ min: 0, max: 255 }),
    ),
    { maxLength: 120 },
  )
  .map((bytes) => Buffer.from(bytes));
const cuts = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 12 });

describe("LineSplitter", () => {
  it("gives the lines of any bytes, wherever chunks are cut", () => {
    fc.assert(
      fc.property(fc.oneof(textInput, byteInput), cuts, fc.constantFrom(1, 2, 5, 17, 1000), (bytes, at, max) => {
        const seen = feed(bytes, at, { maxLineBytes: max });
        const expected = model(bytes, max);
        assert.deepEqual(seen.lines, expected.lines);
        assert.equal(seen.dropped, expected.dropped);
        assert.equal(seen.position, bytes.length);
      }),
      { numRuns: 3000 },
    );
  });

  it("gives a stream the same lines as a file, numbered from 0", () => {
    fc.assert(
      fc.property(fc.oneof(textInput, byteInput), cuts, fc.constantFrom(3, 1000), (bytes, at, max) => {
        // UTF-16 by its mark is another test's.
        fc.pre(encodingOf(bytes, undefined) === undefined);
        const stream = new LineStream({ maxLineBytes: max });
        const edges = [0, ...at.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const splits = edges.slice(1).flatMap((edge, i) => stream.push(bytes.subarray(edges[i], edge)));
        splits.push(...stream.end());
        const lines = splits.flatMap((s) =>
          Array.from({ length: s.count }, (_, i) => ({
            text: s.text.slice(s.starts[i], s.ends[i]),
            offset: s.offsets[i],
            flags: s.flags?.get(i),
          })),
        );
        assert.deepEqual(
          lines,
          model(bytes, max).lines.map((line, i) => ({ ...line, offset: i })),
        );
        assert.equal(stream.pendingBytes, 0);
      }),
      { numRuns: 1000 },
    );
  });

  it("leaves a half line alone until it ends", () => {
    const { lines, position } = feed(Buffer.from("one\ntwo"), [], { maxLineBytes: 100 }, "lines");
    assert.deepEqual(lines, [{ text: "one", offset: 0, flags: undefined }]);
    assert.equal(position, 4);
  });

  it("makes no empty line of the line end that comes after a half line was given out", () => {
    const splitter = new LineSplitter({ maxLineBytes: 100 });
    const first = splitter.split(Buffer.from("half"), 0, "all");
    assert.equal(first.consumed, 4);
    assert.equal(splitter.midLine, true);
    assert.equal(splitter.split(Buffer.from("\r"), 4, "open").consumed, 0);
    const next = splitter.split(Buffer.from("\r\nnext\n"), 4, "open");
    assert.equal(next.count, 1);
    assert.equal(next.text.slice(next.starts[0], next.ends[0]), "next");
    assert.equal(next.offsets[0], 6);
    assert.equal(next.consumed, 7);
  });

  it("keeps a character whole whose last bytes are still to come", () => {
    const bytes = Buffer.from("ab€");
    const splitter = new LineSplitter({ maxLineBytes: 100 });
    const first = splitter.split(bytes.subarray(0, 4), 0, "idle");
    assert.equal(first.text, "ab");
    assert.equal(first.consumed, 2);
    const second = splitter.split(bytes.subarray(2), 2, "all");
    assert.equal(second.text, "€");
  });

  it("keeps offsets exact in bytes on lines that are not ASCII", () => {
    const { lines } = feed(Buffer.from("ä\n日本\r\n\xff\nlast\n"), [], { maxLineBytes: 100 });
    assert.deepEqual(
      lines.map((line) => line.offset),
      [0, 3, 11, 14],
    );
  });

  it("holds no more of a line than allowed, however long it is", () => {
    const splitter = new LineSplitter({ maxLineBytes: 10 });
    const chunk = Buffer.alloc(1000, 97);
    let dropped = 0;
    for (let i = 0; i < 100; i++) {
      const split = splitter.split(chunk, i * 1000, "open");
      assert.equal(split.consumed, 1000);
      assert.equal(split.count, 0);
      dropped += split.dropped;
    }
    assert.equal(splitter.holding, true);
    const split = splitter.split(Buffer.from("b\nnext\n"), 100_000, "open");
    assert.equal(split.count, 1);
    assert.equal(split.text.slice(split.starts[0], split.ends[0]), "a".repeat(10));
    assert.deepEqual(split.flags?.get(0), ["truncated"]);
    assert.equal(split.offsets[0], 0);
    assert.equal(dropped + split.dropped, 100_000 + 1 - 10);
    assert.equal(splitter.split(Buffer.from("next\n"), 100_002, "open").count, 1);
  });

  it("goes on giving up the rest of a line that was too long after it was given out early", () => {
    const splitter = new LineSplitter({ maxLineBytes: 4 });
    const first = splitter.split(Buffer.from("abcdefgh"), 0, "all");
    assert.equal(first.text.slice(first.starts[0], first.ends[0]), "abcd");
    assert.equal(splitter.skipping, true);
    const second = splitter.split(Buffer.from("ijk\nnext\n"), 8, "open");
    assert.equal(second.count, 0);
    assert.equal(second.consumed, 4);
    assert.equal(second.dropped, 3);
  });
});
