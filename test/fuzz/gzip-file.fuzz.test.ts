import assert from "node:assert/strict";
import type { FileHandle } from "node:fs/promises";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { GzipFile } from "../../src/sources/file/gzip-file.ts";
import { followed } from "../support/followed.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

/** Bytes as an open file; reads may be short. */
function fileOf(bytes: Buffer, mostBytes = Infinity): FileHandle {
  return {
    fd: -1,
    read: (buffer: Buffer, offset: number, length: number, position: number) => {
      const end = position + Math.min(length, mostBytes);
      return Promise.resolve({ bytesRead: bytes.copy(buffer, offset, position, end) });
    },
    stat: () => Promise.resolve({ size: bytes.length, nlink: 1 }),
    close: () => Promise.resolve(),
  } as unknown as FileHandle;
}

async function readAll(gzip: GzipFile, pieceBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let position = 0; ;) {
    const piece = Buffer.alloc(pieceBytes);
    const { bytesRead } = await gzip.read(piece, 0, pieceBytes, position);
    if (bytesRead === 0) return Buffer.concat(pieces);
    pieces.push(piece.subarray(0, bytesRead));
    position += bytesRead;
    // Only the end, or damage, makes a read short.
    if (bytesRead < pieceBytes) assert.equal((await gzip.read(piece, 0, 1, position)).bytesRead, 0);
  }
}

type Harm =
  { readonly kind: "cut" | "flip"; readonly at: number } | { readonly kind: "append"; readonly bytes: Uint8Array };

const content = fc.array(fc.tuple(fc.string({ maxLength: 40 }), fc.nat(3000)), { maxLength: 30 }).map((parts) =>
  Buffer.from(
    parts
      .map(([text, times]) => (text + "\n").repeat(times))
      .join("")
      .slice(0, 400_000),
  ),
);

test("reads at any positions give what the members of a gzip file unpack to", async () => {
  const positions = fc.array(fc.tuple(fc.nat(500_000), fc.integer({ min: 1, max: 200_000 })), { maxLength: 6 });
  const members = fc.array(content, { minLength: 1, maxLength: 3 });
  const property = followed(async (parts: Buffer[], reads: [number, number][], mostBytes: number) => {
    const whole = Buffer.concat(parts);
    const gzip = await GzipFile.open(fileOf(Buffer.concat(parts.map((part) => gzipSync(part))), mostBytes));
    try {
      for (const [position, length] of reads) {
        const buffer = Buffer.alloc(length);
        const { bytesRead } = await gzip.read(buffer, 0, length, position);
        assert.ok(buffer.subarray(0, bytesRead).equals(whole.subarray(position, position + length)));
      }
      assert.ok((await readAll(gzip, 70_000)).equals(whole));
      assert.equal(gzip.damage, undefined);
      assert.equal(gzip.unpackedBytes, whole.length);
    } finally {
      await gzip.close();
    }
  });
  await fc.assert(fc.asyncProperty(members, positions, fc.integer({ min: 500, max: 1 << 20 }), property.run), {
    numRuns: Infinity,
    interruptAfterTimeLimit: FUZZ_MS,
  });
  await property.settled();
});

test("a damaged file gives a beginning of what it held, says that it is damaged, and never throws or hangs", async () => {
  const harm = fc.oneof<fc.Arbitrary<Harm>[]>(
    fc.record({ kind: fc.constant("cut" as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant("flip" as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant("append" as const), bytes: fc.uint8Array({ maxLength: 100 }) }),
  );
  const property = followed(async (original: Buffer, damage: Harm) => {
    const packed = gzipSync(original);
    let bytes = packed;
    if (damage.kind === "cut") bytes = packed.subarray(0, Math.floor(packed.length * damage.at));
    else if (damage.kind === "append") bytes = Buffer.concat([packed, damage.bytes]);
    else if (damage.kind === "flip") bytes[Math.min(packed.length - 1, Math.floor(packed.length * damage.at))]! ^= 0x55;
    const gzip = await GzipFile.open(fileOf(bytes));
    try {
      const read = await readAll(gzip, 10_000);
      if (damage.kind === "cut" || damage.kind === "append") {
        assert.ok(read.equals(original.subarray(0, read.length)));
        assert.equal(gzip.unpackedBytes, read.length);
      }
      if (damage.kind === "cut" && bytes.length < packed.length) assert.notEqual(gzip.damage, undefined);
      if (damage.kind === "append") assert.equal(read.length, original.length);
      if (gzip.damage === undefined && damage.kind !== "append") assert.ok(read.equals(gunzipSync(bytes)));
    } finally {
      await gzip.close();
    }
  });
  await fc.assert(fc.asyncProperty(content, harm, property.run), {
    numRuns: Infinity,
    interruptAfterTimeLimit: FUZZ_MS,
  });
  await property.settled();
});

test("any bytes behind the magic of gzip are read to an end", async () => {
  const property = followed(async (rest: Uint8Array) => {
    const gzip = await GzipFile.open(fileOf(Buffer.concat([Buffer.from([0x1f, 0x8b, 8]), rest])));
    try {
      await readAll(gzip, 1000);
    } finally {
      await gzip.close();
    }
  });
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), property.run), {
    numRuns: Infinity,
    interruptAfterTimeLimit: FUZZ_MS,
  });
  await property.settled();
});
