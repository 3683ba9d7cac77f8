import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodingKey, eventId, type EncodedBatch, type Encoding, type LineBytes } from "../../../src/core/batch.ts";
import { BufferPool } from "../../../src/core/buffer-pool.ts";
import { Path } from "../../../src/core/path.ts";
import { BatchEncoder, toEvents } from "../../../src/runtime/batch-encoder.ts";
import { makeLines } from "../../support/lines.ts";

const ENCODINGS: readonly Encoding[] = [
  { kind: "json", before: "{" },
  { kind: "json", before: '{"_id":"', after: '",' },
  { kind: "json", before: '{"create":{"_id":"', after: '"}}\n{' },
  { kind: "text" },
  { kind: "original" },
];
const ENVELOPE = {
  paths: [new Path("host.name"), new Path("log.file.path")],
  values: ['a "host" ü', "/var/log/x.log"],
};
const partition = (hasOffset: boolean) => ({
  ...{ id: "partition-encode", source: "test" },
  envelope: { ...ENVELOPE, offsetPath: hasOffset ? new Path("log.offset") : undefined },
});

const character = fc.constantFrom(
  ...["a", "Z", " ", '"', "\\", "\t", "\r", "\u0000", "\u0001", "\u0002", "\u001f", "\u007f", "é", "日", "\u2028"],
  ...["😀", "\ud83d", "\ude00", "/", "{", "}", "x".repeat(300)],
);
const line = fc.oneof(
  fc.string({ unit: character, maxLength: 12 }),
  fc.string({ maxLength: 40 }).map((text) => text.replaceAll("\n", "")),
  fc.constant('"quoted"'),
  fc.constant(""),
);

/** Documents of one encoding as text, cut at the batch's own bounds, which must fit the bytes. */
function documents(batch: EncodedBatch, encoding: Encoding): string[] {
  const { bytes, offsets } = batch.bodies.get(encodingKey(encoding))!;
  assert.equal(offsets.length, batch.count + 1);
  assert.equal(offsets[0], 0);
  assert.equal(offsets[batch.count], bytes.length);
  return Array.from({ length: batch.count }, (_, i) => {
    const text = bytes.toString("utf8", offsets[i], offsets[i + 1]);
    assert.ok(text.endsWith("\n"));
    return text;
  });
}

/** The lines as a file has them. */
function bytesOf(lines: readonly string[]): LineBytes {
  const ends = Int32Array.from(lines, (_, i) => Buffer.byteLength(lines.slice(0, i + 1).join("\n")));
  const starts = Int32Array.from(lines, (_, i) => (i === 0 ? 0 : ends[i - 1]! + 1));
  return { bytes: Buffer.from(lines.join("\n")), starts, ends };
}

const wellFormed = (text: string): string => Buffer.from(text).toString("utf8");

test("lines and the events made of them become the same documents in every encoding, whatever they hold", () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), fc.boolean(), fc.nat(1e12), (lines, hasOffset, from) => {
      const batch = makeLines(lines, { partition: partition(hasOffset), from });
      const encoder = new BatchEncoder("main", "abcd", ENCODINGS, new BufferPool(1 << 20));
      const events = toEvents(batch);
      const [plain, processed] = [encoder.encodeLines(batch), encoder.encodeEvents(batch, toEvents(batch))];
      const asBytes = encoder.encodeLines({ ...batch, lines: bytesOf(lines) });
      for (const encoding of ENCODINGS) {
        const found = documents(plain, encoding);
        const other = documents(processed, encoding);
        // Lone surrogates are no bytes of a file: only strings write them as \udXXX.
        if (lines.every((each) => each === wellFormed(each))) assert.deepEqual(documents(asBytes, encoding), found);
        for (const [i, event] of events.entries()) {
          if (encoding.kind !== "json") {
            assert.equal(found[i], wellFormed(lines[i]!) + "\n");
            assert.equal(other[i], found[i]);
            continue;
          }
          const id = eventId(plain, i);
          assert.equal(id, eventId(processed, i));
          const head = encoding.after === undefined ? encoding.before : encoding.before + id + encoding.after;
          for (const text of [found[i]!, other[i]!]) {
            assert.ok(text.startsWith(head));
            const members = "{" + text.slice(head.length);
            assert.deepEqual(JSON.parse(members), event.toObject());
          }
        }
      }
    }),
  );
});

test("batches far larger than a buffer are written whole, with bounds in bytes", () => {
  const lines = Array.from(
    { length: 20_000 },
    (_, i) => `${i} ${"é".repeat(i % 50)} "${i}" ${i % 7 === 0 ? "😀" : ""}`,
  );
  const batch = makeLines(lines, { partition: partition(true) });
  const encoder = new BatchEncoder("main", "abcd", ENCODINGS, new BufferPool(1 << 26));
  for (const encoded of [encoder.encodeLines(batch), encoder.encodeEvents(batch, toEvents(batch))]) {
    const [json, , , text] = ENCODINGS.map((encoding) => documents(encoded, encoding));
    json!.forEach((document, i) => {
      assert.equal((JSON.parse(document) as { message: string }).message, lines[i]);
    });
    assert.deepEqual(
      text,
      lines.map((each) => each + "\n"),
    );
  }
});

test("a released buffer is used again, and not before", () => {
  const encoder = new BatchEncoder("main", "abcd", ENCODINGS.slice(0, 1), new BufferPool(1 << 20));
  const encode = (text: string): EncodedBatch =>
    encoder.encodeLines(makeLines([text], { partition: partition(false) }));
  const memory = (batch: EncodedBatch): ArrayBufferLike => [...batch.bodies.values()][0]!.bytes.buffer;
  const [a, b] = [encode("a"), encode("b")];
  assert.notEqual(memory(a), memory(b));
  const before = documents(b, ENCODINGS[0]!);
  a.release!();
  const c = encode("c");
  assert.equal(memory(c), memory(a));
  assert.deepEqual(documents(b, ENCODINGS[0]!), before);
  assert.match(documents(c, ENCODINGS[0]!)[0]!, /"message":"c"/);
});

test("each batch has its places, times and bounds to itself until it is released", () => {
  const encoder = new BatchEncoder("main", "abcd", ENCODINGS, new BufferPool(1 << 20));
  const encode = (lines: readonly string[], isPlain: boolean): EncodedBatch => {
    const batch = makeLines(lines, { partition: partition(true), readAtMs: lines.length });
    return isPlain ? encoder.encodeLines(batch) : encoder.encodeEvents(batch, toEvents(batch));
  };
  const said = (batch: EncodedBatch): unknown => [
    ...[[...batch.offsets], [...batch.timesMs]],
    ...ENCODINGS.map((encoding) => documents(batch, encoding)),
  ];
  for (const isPlain of [true, false]) {
    const batches = [["one", "two"], ["three"], ["4", "5", "6", "7"]].map((lines) => encode(lines, isPlain));
    const before = batches.map(said);
    batches[1]!.release!();
    const other = encode(["another", "and one more"], isPlain);
    assert.deepEqual([batches[0]!, batches[2]!].map(said), [before[0], before[2]]);
    for (const each of [batches[0]!, batches[2]!, other]) each.release!();
  }
});

test("a few lines take a few KiB of the memory budget, for each encoding and for where they lie", () => {
  const batch = makeLines(["a line"], { partition: partition(true) });
  for (const encodings of [ENCODINGS.slice(0, 1), ENCODINGS]) {
    const encoded = new BatchEncoder("main", "abcd", encodings, new BufferPool(0)).encodeLines(batch);
    assert.equal(encoded.byteLength, (encodings.length + 1) * 4096);
  }
});

test("flags of a line are in its document", () => {
  const batch = makeLines(["one", "two"], {
    partition: partition(true),
    flags: new Map([[1, ["truncated"]]]),
  });
  const encoded = new BatchEncoder("main", "abcd", ENCODINGS, new BufferPool(0)).encodeLines(batch);
  const flags = documents(encoded, ENCODINGS[0]!).map(
    (text) => (JSON.parse(text) as { log: { flags?: string[] } }).log.flags,
  );
  assert.deepEqual(flags, [undefined, ["truncated"]]);
});

test("buffers are as large as documents turn out to be, however short the lines", () => {
  const encoding: Encoding = { kind: "json", before: '{"create":{"_id":"', after: '"}}\n{' };
  const encoder = new BatchEncoder("p", "test", [encoding], new BufferPool(0));
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} ` + "x".repeat(50));
  const batch = makeLines(lines, { partition: partition(true) });
  const full = (encoded: EncodedBatch): number =>
    encoded.bodies.get(encodingKey(encoding))!.bytes.length / encoded.byteLength;
  encoder.encodeLines(batch);
  assert.ok(full(encoder.encodeLines(batch)) > 0.85);
  assert.ok(full(encoder.encodeEvents(batch, toEvents(batch))) > 0.85);
});
