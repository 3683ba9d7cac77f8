import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { WiretailError } from "../../src/core/error.ts";
import { followed } from "../support/followed.ts";
import { openCommitLog, readCommitLog } from "../../src/disk/commit-log.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

/** Records with right checksums around arbitrary JSON, whole and cut, among arbitrary bytes. */
const record = fc.tuple(fc.json(), fc.constantFrom("1", "1", "1", "2")).map(([json, version]) => {
  return Buffer.from(`${version} ${crc32(json).toString(16).padStart(8, "0")} ${json}\n`);
});
const entry = fc
  .record({
    length: fc.nat(),
    positions: fc.dictionary(fc.string(), fc.tuple(fc.nat(), fc.jsonValue())),
    data: fc.jsonValue(),
  })
  .map((value) => {
    const json = JSON.stringify(value);
    return Buffer.from(`1 ${crc32(json).toString(16).padStart(8, "0")} ${json}\n`);
  });
const piece = fc.oneof(
  entry,
  record,
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(entry, fc.nat(60)).map(([bytes, cut]) => bytes.subarray(0, cut)),
);

test("arbitrary bytes in the place of a commit log give a state or a WiretailError, and the log goes on", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wiretail-fuzz-"));
  const path = join(folder, "log");
  const property = followed(async (pieces: Buffer[]) => {
    await writeFile(path, Buffer.concat(pieces));
    try {
      const read = await readCommitLog(path);
      const log = await openCommitLog(path);
      assert.equal(log.last.length, read.length);
      await log.append({ length: read.length + 1, positions: new Map([["key", { position: 7, resume: null }]]) });
      await log.close();
      const again = await readCommitLog(path);
      assert.equal(again.length, read.length + 1);
      assert.equal(again.positions.get("key")?.position, 7);
    } catch (error) {
      if (!(error instanceof WiretailError)) throw error;
    }
  });
  try {
    await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 8 }), property.run), {
      interruptAfterTimeLimit: FUZZ_MS,
      numRuns: 1_000_000,
      markInterruptAsFailure: false,
    });
  } finally {
    await property.settled();
    await rm(folder, { recursive: true, force: true });
  }
});
