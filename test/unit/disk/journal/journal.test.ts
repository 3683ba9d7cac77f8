import assert from "node:assert/strict";
import { test } from "node:test";
import { encodingKey, eventId, JSON_ENCODING, type EncodedBatch } from "../../../../src/core/batch.ts";
import { Journal, type JournalOptions } from "../../../../src/disk/journal/journal.ts";
import { decodeRecord, encodeRecord, type EncodedRecord } from "../../../../src/disk/journal/record.ts";
import { makeBatch } from "../../../support/batches.ts";
import { FakeDisk } from "../../../support/fake-disk.ts";

const KEY = encodingKey(JSON_ENCODING);
const ALL = new Set([KEY]);
const FOLDER = "/state/journal";

function record(text: string, ...sinks: string[]): EncodedRecord {
  const batch = makeBatch({ lines: [text, "second"] });
  const readers = (sinks.length === 0 ? ["a"] : sinks).map((sink) => ({
    ...{ sink, ranges: [0, 2], start: { position: 0, resume: null }, sentBefore: false },
  }));
  return encodeRecord(batch, readers, ALL);
}

function open(disk: FakeDisk, options: Partial<JournalOptions> = {}) {
  return Journal.open({ folder: FOLDER, maxBytes: 1 << 20, fileSystem: disk, ...options });
}

function messagesOf(batch: EncodedBatch): string[] {
  const { bytes, offsets } = batch.bodies.get(KEY)!;
  return Array.from({ length: batch.count }, (_, i) => {
    return (JSON.parse(bytes.toString("utf8", offsets[i], offsets[i + 1])) as { message: string }).message;
  });
}

async function readAll(journal: Journal, sink = "a"): Promise<string[]> {
  const found: string[] = [];
  for (let place = journal.find(0, sink); place !== undefined; place = journal.find(place.sequence + 1, sink)) {
    const decoded = decodeRecord(await journal.read(place), KEY);
    found.push(decoded === undefined ? "damaged" : messagesOf(decoded.batch)[0]!);
  }
  return found;
}

test("all appends that wait share one sync", async () => {
  const disk = new FakeDisk();
  const { journal } = await open(disk);
  const sequences = await Promise.all(Array.from({ length: 20 }, async (_, i) => journal.append(record(`r${i}`))));
  assert.deepEqual(
    sequences,
    Array.from({ length: 20 }, (_, i) => i),
  );
  assert.equal(disk.syncs, 1);
  await journal.close();
});

test("a record comes back as it was: ids, times, positions, every encoding or one of them", async () => {
  const disk = new FakeDisk();
  const other = { kind: "text" } as const;
  const whole: EncodedBatch = {
    ...makeBatch({ lines: ["ä", "b\u2028", "c"], encoding: [JSON_ENCODING, other], timesMs: [1, 2.5, 3] }),
    subIndexes: Uint16Array.of(0, 1, 65_535),
    resume: { line: 7 },
  };
  const reader = {
    ...{ sink: "a", ranges: [0, 1, 2, 3], start: { position: 5, resume: { line: 1 } }, sentBefore: true },
  };
  const { journal } = await open(disk);
  await journal.append(encodeRecord(whole, [reader], new Set([KEY, "text"])));
  const place = journal.find(0, "a")!;
  assert.deepEqual((await journal.readHead(place))!.readers, [reader]);
  for (const encoding of [undefined, "text"]) {
    const { head, batch } = decodeRecord(await journal.read(place), encoding)!;
    assert.deepEqual(head.readers, [reader]);
    assert.deepEqual([...batch.bodies.keys()], encoding === undefined ? [KEY, "text"] : ["text"]);
    for (const [key, body] of batch.bodies) {
      assert.deepEqual(body.bytes, whole.bodies.get(key)!.bytes);
      assert.deepEqual(body.offsets, whole.bodies.get(key)!.offsets);
    }
    assert.deepEqual([0, 1, 2].map((i) => eventId(batch, i)), [0, 1, 2].map((i) => eventId(whole, i))); // prettier-ignore
    assert.deepEqual([...batch.timesMs], [1, 2.5, 3]);
    assert.deepEqual(
      [batch.partition.id, batch.partition.source, batch.pipeline, batch.endPosition, batch.resume, batch.readAtMs],
      [whole.partition.id, "test", "test", whole.endPosition, { line: 7 }, whole.readAtMs],
    );
  }
  await journal.close();
});

test("a torn tail is cut at the last whole record and counted, and the journal goes on behind it", async () => {
  const disk = new FakeDisk();
  const { journal } = await open(disk);
  await journal.append(record("one"));
  await journal.append(record("two"));
  await journal.close();
  const [path] = disk.names().filter((name) => name.endsWith(".journal"));
  const bytes = disk.bytes(path!);
  disk.overwrite(path!, bytes.subarray(0, bytes.length - 7));
  const { journal: again, recovery } = await open(disk);
  assert.deepEqual([recovery.records, recovery.tornRecords, recovery.damagedBytes], [1, 1, 0]);
  assert.equal(recovery.tornBytes, record("two").byteLength - 7);
  assert.deepEqual(await readAll(again), ["one"]);
  assert.equal(await again.append(record("three")), 2);
  assert.deepEqual(await readAll(again), ["one", "three"]);
  await again.close();
  const { recovery: clean } = await open(disk);
  assert.deepEqual([clean.records, clean.tornBytes, clean.lostRecords], [2, 0, 0]);
});

test("a damaged record in the middle costs itself only, wherever it is hit, and is counted", async () => {
  const disk = new FakeDisk();
  const { journal } = await open(disk, { segmentBytes: 1800 });
  for (const text of ["one", "two", "three", "four", "five"]) await journal.append(record(text));
  await journal.close();
  const [first] = disk.names().filter((name) => name.endsWith(".journal"));
  const good = Buffer.from(disk.bytes(first!));
  const length = record("two").byteLength;
  const at = 16 + record("one").byteLength;
  assert.ok(good.length > at + length, "the segment holds a third record");
  for (const place of [0, 3, 5, 9, 17, 21, 25, 29, 33, 60, length - 40, length - 1]) {
    const bad = Buffer.from(good);
    bad[at + place]! ^= 0x10;
    disk.overwrite(first!, bad);
    const { journal: again, recovery } = await open(disk, { segmentBytes: 1800 });
    const read = await readAll(again);
    assert.deepEqual(read, ["one", "three", "four", "five"], `byte ${place}`);
    assert.deepEqual([recovery.damagedBytes, recovery.lostRecords, recovery.tornBytes], [length, 1, 0]);
    disk.overwrite(first!, good);
  }
});

test("a record that is damaged after the start is not believed when it is read", async () => {
  const disk = new FakeDisk();
  const { journal } = await open(disk);
  await journal.append(record("one"));
  const [path] = disk.names().filter((name) => name.endsWith(".journal"));
  disk.bytes(path!)[record("one").byteLength - 5]! ^= 1;
  assert.deepEqual(await readAll(journal), ["damaged"]);
});

test("cursors that cannot be read make every sink begin at the oldest record, and it is said", async () => {
  const disk = new FakeDisk();
  const { journal } = await open(disk);
  await journal.append(record("one"));
  await journal.append(record("two"));
  journal.setCursor("a", 1);
  await journal.close();
  disk.overwrite(`${FOLDER}/cursors.json`, Buffer.from('{"format":1,"next":2,"cursors":{"a":"x"}}'));
  const { journal: again, recovery } = await open(disk);
  assert.match(recovery.cursorDamage!, /a cursor is not a sequence number/);
  assert.equal(again.cursor("a"), 0);
  assert.equal(await again.append(record("three")), 2);
});

test("a segment is deleted when the last sink that needs it has passed, also before older ones, and numbers go on", async () => {
  const disk = new FakeDisk();
  const { journal } = await open(disk, { segmentBytes: 300 });
  for (const sinks of [["a"], ["b"], ["a", "b"]]) await journal.append(record("r", ...sinks));
  const segments = (): number => disk.names().filter((name) => name.endsWith(".journal")).length;
  assert.equal(segments(), 3);
  journal.setCursor("b", 3);
  await journal.saveCursors();
  assert.equal(segments(), 2, "the second was for b only");
  journal.setCursor("a", 3);
  await journal.saveCursors();
  assert.deepEqual([segments(), journal.usedBytes, journal.records], [0, 0, 0]);
  await journal.close();
  const { journal: again } = await open(disk);
  assert.equal(await again.append(record("r")), 3, "a number is never used twice");
});

test("what does not fit into the budget is refused, and fits when something was deleted", async () => {
  const disk = new FakeDisk();
  const size = record("r").byteLength;
  const { journal } = await open(disk, { maxBytes: 3 * size + 100, segmentBytes: 100 });
  assert.equal(await journal.append(record("r")), 0);
  assert.equal(await journal.append(record("r")), 1);
  assert.equal(await journal.append(record("r")), 2);
  assert.equal(journal.append(record("r")), undefined);
  journal.setCursor("a", 1);
  await journal.saveCursors();
  assert.equal(await journal.append(record("r")), 3);
  assert.ok(journal.usedBytes <= journal.maxBytes);
});

test("after a failed write all that waited is refused, and appended again it counts once", async () => {
  for (const operation of ["write", "datasync", "create", "syncFolder", "open"]) {
    const disk = new FakeDisk();
    const { journal } = await open(disk);
    if (operation !== "create" && operation !== "syncFolder") await journal.append(record("before"));
    let failures = operation === "open" ? 0 : 1;
    disk.fault = { before: (called) => (called === operation && failures-- > 0 ? "ENOSPC" : undefined) };
    const texts = ["one", "two", "three"];
    const failed = await Promise.allSettled(texts.map(async (text) => journal.append(record(text))));
    if (operation !== "open") assert.deepEqual(failed.map(({ status }) => status), ["rejected", "rejected", "rejected"]); // prettier-ignore
    if (operation !== "open") await Promise.all(texts.map(async (text) => journal.append(record(text))));
    const expected = [...(operation === "create" || operation === "syncFolder" ? [] : ["before"]), ...texts];
    assert.deepEqual(await readAll(journal), expected, operation);
    await journal.close();
    const { journal: again, recovery } = await open(disk);
    assert.deepEqual(await readAll(again), expected, operation);
    assert.deepEqual([recovery.lostRecords, recovery.damagedBytes], [0, 0]);
  }
});

test("records leave some of the disk to others, and have room again when others leave it, or sinks catch up", async () => {
  const disk = new FakeDisk();
  disk.totalBytes = 64 << 20;
  disk.freeBytes = (4 << 20) + 10_000;
  const { journal } = await open(disk, { maxBytes: 1 << 24, segmentBytes: 4000 });
  const big = record("x".repeat(6000));
  const first = journal.append(big);
  assert.equal(journal.append(big), undefined, "what waits counts, too");
  assert.equal(await first, 0);
  disk.freeBytes -= big.byteLength;
  assert.equal(journal.append(big), undefined);
  // Somebody else deletes something.
  disk.freeBytes += 8000;
  await journal.measureDisk();
  assert.equal(await journal.append(big), 1);
  disk.freeBytes = 4 << 20;
  await journal.measureDisk();
  assert.equal(journal.append(record("small")), undefined);
  // A sink that has everything lets segments go.
  journal.setCursor("a", 2);
  disk.freeBytes += 2 * big.byteLength;
  await journal.saveCursors();
  assert.equal(await journal.append(big), 2);
  await journal.close();
});
