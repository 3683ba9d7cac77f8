import assert from "node:assert/strict";
import { test } from "node:test";
import { encodingKey, JSON_ENCODING, type EncodedBatch, type Encoding } from "../../../src/core/batch.ts";
import { BufferPool } from "../../../src/core/buffer-pool.ts";
import { Journal } from "../../../src/disk/journal/journal.ts";
import { encodeRecord } from "../../../src/disk/journal/record.ts";
import type { RecordPlace } from "../../../src/disk/journal/segment-index.ts";
import { JournalReader } from "../../../src/runtime/journal-reader.ts";
import { makeBatch } from "../../support/batches.ts";
import { settled } from "../../support/clock.ts";
import { FakeDisk } from "../../support/fake-disk.ts";

/** Knows which of its buffers are out, and fails when one comes back twice. */
class CountingPool extends BufferPool {
  readonly out = new Set<Buffer>();
  override take(minBytes: number): Buffer {
    const buffer = super.take(minBytes);
    assert.ok(!this.out.has(buffer), "a buffer is given to two");
    this.out.add(buffer);
    return buffer;
  }
  override give(buffer: Buffer): void {
    assert.ok(this.out.delete(buffer), "a buffer comes back twice");
    super.give(buffer);
  }
}

const PLAIN: Encoding = { kind: "text" };

async function journalOf(batches: readonly EncodedBatch[], encodings: readonly Encoding[] = [JSON_ENCODING]) {
  const disk = new FakeDisk();
  const { journal } = await Journal.open({ folder: "/state/journal", maxBytes: 1 << 24, fileSystem: disk });
  for (const batch of batches) {
    const reader = {
      ...{ sink: "a", ranges: [0, batch.count], start: { position: 0, resume: null }, sentBefore: false },
    };
    await journal.append(encodeRecord(batch, [reader], new Set(encodings.map(encodingKey))));
  }
  const places: RecordPlace[] = [];
  for (let i = 0; i < batches.length; i++) places.push(journal.find(i, "a")!);
  const pool = new CountingPool(1 << 24);
  return { disk, journal, places, pool, reader: new JournalReader(journal, pool) };
}

const textOf = (batch: EncodedBatch, encoding: Encoding = JSON_ENCODING): string =>
  batch.bodies.get(encodingKey(encoding))!.bytes.toString("utf8");

test("records come as they were written, read ahead or not, and each gives its memory back once", async () => {
  const batches = [0, 1, 2, 3].map((i) => makeBatch({ lines: [`line ${i}`, "x".repeat(100_000 * i)] }));
  const { places, pool, reader } = await journalOf(batches);
  // The third was expected, the fourth is wanted.
  for (const [wanted, ahead] of [
    [0, 1],
    [1, 2],
    [3, undefined],
    [2, undefined],
  ] as const) {
    // prettier-ignore
    const record = await reader.read(places[wanted]!, JSON_ENCODING);
    if (ahead !== undefined) reader.readAhead(places[ahead]!);
    assert.equal(textOf(record!.batch), textOf(batches[wanted]!));
    record!.batch.release!();
  }
  await settled();
  assert.equal(pool.out.size, 0);
});

test("what is read ahead when nobody goes on is let go of, also when it could not be read", async () => {
  const { disk, places, pool, reader } = await journalOf([makeBatch({ lines: ["a"] }), makeBatch({ lines: ["b"] })]);
  reader.readAhead(places[0]!);
  reader.drop();
  disk.fault = { before: (operation) => (operation === "read" ? "EIO" : undefined) };
  reader.readAhead(places[1]!);
  await assert.rejects(reader.read(places[1]!, JSON_ENCODING), /EIO/);
  disk.fault = {};
  assert.equal(textOf((await reader.read(places[1]!, JSON_ENCODING))!.batch).includes('"b"'), true);
  await settled();
  assert.equal(pool.out.size, 1, "only what was read and is in use");
});

test("of a record with bodies for several sinks only the wanted one stays in memory", async () => {
  const batch = makeBatch({ lines: ["x".repeat(300_000)], encoding: [JSON_ENCODING, PLAIN] });
  const { places, pool, reader } = await journalOf([batch], [JSON_ENCODING, PLAIN]);
  const record = (await reader.read(places[0]!, PLAIN))!;
  assert.equal(textOf(record.batch, PLAIN), textOf(batch, PLAIN));
  assert.ok(record.batch.byteLength < 400_000, `${record.batch.byteLength} bytes`);
  assert.equal(pool.out.size, 1);
  record.batch.release!();
  assert.equal(pool.out.size, 0);
});

test("a damaged record is nothing, and takes no memory", async () => {
  const { disk, places, pool, reader } = await journalOf([makeBatch({ lines: ["a"] })]);
  const path = disk.names().find((name) => name.endsWith(".journal"))!;
  // In place: the journal has the file open.
  disk.bytes(path)[places[0]!.at + places[0]!.length - 2]! ^= 1;
  assert.equal(await reader.read(places[0]!, JSON_ENCODING), undefined);
  assert.equal(pool.out.size, 0);
});
