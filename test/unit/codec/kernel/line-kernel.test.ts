import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { LineBytes } from "../../../../src/core/batch.ts";
import { lineKernel, type LineFramePieces } from "../../../../src/codec/kernel/line-kernel.ts";
import { LineSplitter, type Split } from "../../../../src/codec/lines.ts";

const kernel = lineKernel()!;

/** Bytes of every kind that matters: line ends, what JSON escapes, characters of several bytes, invalid ones. */
const bytes = fc
  .array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.constantFrom("a", "word ", "x".repeat(15), "y".repeat(40)).map((s) => Buffer.from(s)),
      },
      fc
        .constantFrom("\n", "\n", "\r\n", "\r", '"', "\\", "\t", "\u0000", "\u001f", "\u007f")
        .map((s) => Buffer.from(s)),
      fc.constantFrom("é", "日本", "😀", "\ufeff", "\u2028").map((s) => Buffer.from(s)),
    ),
    { maxLength: 60 },
  )
  .map((parts) => Buffer.concat(parts));
const anyBytes = fc.oneof(
  { weight: 3, arbitrary: bytes },
  fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array)),
);

function plainly(split: Split): unknown {
  const { count, text, consumed, dropped, flags } = split;
  const lines = Array.from({ length: count }, (_, i) => text.slice(split.starts[i], split.ends[i]));
  return { lines, offsets: [...split.offsets], consumed, dropped, flags };
}

/** What writeDocuments is to write, in the plainest way. */
function model(lines: LineBytes, offsets: Float64Array, pieces: LineFramePieces): string[] {
  return Array.from(offsets, (offset, i) => {
    const text = lines.bytes.toString("utf8", lines.starts[i], lines.ends[i]);
    const line = pieces.escape ? JSON.stringify(text).slice(1, -1) : text;
    const last = pieces.fourth === undefined ? "" : `${offset}${pieces.fourth}`;
    return pieces.first + (pieces.offsetFirst ? `${offset}` : "") + pieces.second + line + pieces.third + last;
  });
}

/** Keeps what the kernel writes, as a body would. */
class Written {
  readonly #parts: Buffer[] = [];
  readonly ends: number[] = [];
  byteLength = 0;
  append(part: Uint8Array, ends: Int32Array): void {
    this.#parts.push(Buffer.from(part));
    this.byteLength += part.length;
    this.ends.push(...ends);
  }
  get documents(): string[] {
    const all = Buffer.concat(this.#parts);
    return this.ends.map((end, i) => all.toString("utf8", i === 0 ? 0 : this.ends[i - 1], end));
  }
}

const PIECES: LineFramePieces = {
  first: '{"create":{"_id":"abc.',
  offsetFirst: true,
  second: '"}}\n{"host":"ü","message":"',
  third: '","log":{"offset":',
  fourth: "}}\n",
  escape: true,
};

describe("LineKernel", () => {
  it("finds the very lines that strings find, wherever the bytes are in their file and however they end", () => {
    fc.assert(
      fc.property(
        anyBytes,
        fc.constantFrom(0, 1, 4096, 2 ** 53 - 4096),
        fc.constantFrom("open", "lines", "idle", "all"),
        fc.constantFrom(5, 40, 1 << 20),
        fc.boolean(),
        (input, position, end, maxLineBytes, midLine) => {
          const [fast, plain] = [kernel, null].map((one) => {
            const splitter = new LineSplitter({ maxLineBytes }, one);
            splitter.midLine = midLine;
            const split = plainly(splitter.split(Buffer.from(input), position, end));
            return { split, midLine: splitter.midLine, skipping: splitter.skipping };
          });
          assert.deepEqual(fast, plain);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("writes lines as JSON exactly as JSON.stringify does, between constant text, for every shape of frame", () => {
    const piece = fc.constantFrom("", "x", '{"a":"ü', "0123456789abcdef", "z".repeat(100));
    const shape = fc.record({
      first: piece,
      offsetFirst: fc.boolean(),
      second: piece,
      third: piece.map((text) => text + "\n"),
      fourth: fc.option(piece, { nil: undefined }),
      escape: fc.boolean(),
    });
    fc.assert(
      fc.property(bytes, fc.constantFrom(0, 7, 999_999, 2 ** 53 - 8192), shape, (input, position, pieces) => {
        const found = kernel.findLines(input, position, 1 << 20)!;
        const written = new Written();
        assert.equal(kernel.writeDocuments(found, found.offsets, pieces, written), true);
        assert.deepEqual(written.documents, model(found, found.offsets, pieces));
      }),
      { numRuns: 3000 },
    );
  });

  it("writes the lines that it is given, not those that it found last", () => {
    const first = kernel.findLines(Buffer.from("one\ntwo\n"), 0, 100)!;
    const other = kernel.findLines(Buffer.from("three, longer\n"), 500, 100)!;
    for (const found of [first, other, first]) {
      const written = new Written();
      assert.equal(kernel.writeDocuments(found, found.offsets, PIECES, written), true);
      assert.deepEqual(written.documents, model(found, found.offsets, PIECES));
    }
  });

  it("numbers events as it is told, for input that has no offsets", () => {
    const found = kernel.findLines(Buffer.from("a\nb\nc\n"), 0, 100)!;
    found.offsets.set([41, 42, 43]);
    const written = new Written();
    kernel.writeDocuments(found, found.offsets, PIECES, written);
    assert.deepEqual(written.documents, model(found, found.offsets, PIECES));
  });

  it("writes as much as its memory holds, in several pieces where documents grow sixfold", () => {
    const worst = Buffer.alloc(256 * 1024, 1);
    for (const lineLength of [256 * 1024, 64 * 1024, 5]) {
      const input = Buffer.from(worst);
      for (let at = lineLength - 1; at < input.length; at += lineLength) input[at] = 10;
      const found = kernel.findLines(input, 0, 1 << 20)!;
      const written = new Written();
      assert.equal(kernel.writeDocuments(found, found.offsets, { ...PIECES, second: "s".repeat(9000) }, written), true);
      assert.deepEqual(written.documents, model(found, found.offsets, { ...PIECES, second: "s".repeat(9000) }));
    }
  });

  it("refuses what does not fit: too many bytes, a line that is too long, bytes that are not UTF-8, a frame too large", () => {
    assert.equal(kernel.findLines(Buffer.alloc(256 * 1024 + 1, 97), 0, 1 << 20), undefined);
    assert.equal(kernel.findLines(Buffer.from("short\nlonger\n"), 0, 5), undefined);
    assert.equal(kernel.findLines(Buffer.from([97, 0xff, 10]), 0, 100), undefined);
    const found = kernel.findLines(Buffer.from("a\n"), 0, 100)!;
    const written = new Written();
    assert.equal(kernel.writeDocuments(found, found.offsets, { ...PIECES, third: "t".repeat(11_000) }, written), false);
    assert.equal(written.byteLength, 0);
  });
});
