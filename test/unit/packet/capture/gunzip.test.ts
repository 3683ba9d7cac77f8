import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { it } from "node:test";
import { gzipSync } from "node:zlib";
import { gunzipped } from "../../../../src/packet/capture/gunzip.ts";

/** The bytes that come out, and the error at the end if there is one. */
async function collect(bytes: Buffer, chunkBytes = 1000): Promise<{ out: Buffer; error: unknown }> {
  const chunks: Uint8Array[] = [];
  async function* input(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += chunkBytes)
      yield await Promise.resolve(bytes.subarray(at, at + chunkBytes));
  }
  try {
    for await (const chunk of gunzipped(input())) chunks.push(chunk);
  } catch (error) {
    return { out: Buffer.concat(chunks), error };
  }
  return { out: Buffer.concat(chunks), error: undefined };
}

const DATA = Buffer.concat([randomBytes(100_000), Buffer.alloc(500_000, "abc"), randomBytes(50_000)]);

it("gzip is decompressed, in chunks of any size and of several members", async () => {
  const zipped = Buffer.concat([gzipSync(DATA), gzipSync(DATA)]);
  for (const chunkBytes of [1000, 65_536, zipped.length]) {
    const { out, error } = await collect(zipped, chunkBytes);
    assert.equal(error, undefined);
    assert.ok(out.equals(Buffer.concat([DATA, DATA])));
  }
  assert.ok((await collect(gzipSync(Buffer.from("short")), 1)).out.equals(Buffer.from("short")));
});

it("anything else passes as it is", async () => {
  for (const bytes of [DATA, Buffer.from([0x1f]), Buffer.from([0x1f, 0x8a, 1]), Buffer.alloc(0)]) {
    const { out, error } = await collect(bytes, bytes.length < 10 ? 1 : 1000);
    assert.deepEqual([error, out.equals(bytes)], [undefined, true]);
  }
});

it("what comes before a cut is given before the error", async () => {
  const zipped = gzipSync(DATA);
  const { out, error } = await collect(zipped.subarray(0, zipped.length - 40_000));
  assert.ok(error instanceof Error);
  assert.ok(out.length > 500_000 && out.equals(DATA.subarray(0, out.length)), `${out.length} bytes`);
});

it("what comes before damage is given before the error", async () => {
  const zipped = gzipSync(DATA);
  zipped.fill(0xff, 110_000, 110_100);
  const { out, error } = await collect(zipped);
  assert.ok(error !== undefined);
  assert.ok(out.length > 90_000, `${out.length} bytes`);
});
