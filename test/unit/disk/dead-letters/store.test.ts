import assert from "node:assert/strict";
import { appendFile, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { DeadLetter } from "../../../../src/disk/dead-letters/letter.ts";
import { readLetters } from "../../../../src/disk/dead-letters/segments.ts";
import { DeadLetterStore, type DeadLetterOptions } from "../../../../src/disk/dead-letters/store.ts";
import { temporaryFolder } from "../../../support/folders.ts";

const AT = Date.parse("2026-11-21T10:00:00.000Z");
const letter = (number: number, more: Partial<DeadLetter> = {}): DeadLetter => ({
  ...{ at: new Date(AT + number).toISOString(), time: "2026-11-21T10:00:00.000Z", pipeline: "p", source: "s" },
  ...{ stage: "1 x", reason: "r", id: `id-${number}`, original: "x".repeat(100) },
  ...more,
});

function store(folder: string, options: Partial<DeadLetterOptions> = {}): DeadLetterStore {
  return new DeadLetterStore({
    ...{ folder, maxBytes: 1_000_000, maxAgeMs: undefined, whenFull: "drop_oldest", now: () => AT },
    onDropped: () => assert.fail("nothing is dropped"),
    ...options,
  });
}

async function idsIn(folder: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of readLetters(folder)) ids.push(id);
  return ids;
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
  return bytes;
}

const folderOf = async (t: TestContext): Promise<string> => join(await temporaryFolder(t), "letters");

test("letters are kept in order over restarts", async (t) => {
  const folder = await folderOf(t);
  for (const first of [0, 2]) {
    const letters = store(folder);
    await Promise.all([letters.append([letter(first)]), letters.append([letter(first + 1)])]);
    await letters.close();
  }
  assert.deepEqual(await idsIn(folder), ["id-0", "id-1", "id-2", "id-3"]);
});

test("letters stay within their budget: the oldest go, and every one that goes is counted, also after a restart", async (t) => {
  const folder = await folderOf(t);
  let dropped = 0;
  const onDropped = (letters: number, why: string): void => {
    assert.equal(why, "budget");
    dropped += letters;
  };
  for (let i = 0; i < 300; i += 100) {
    const letters = store(folder, { maxBytes: 20_000, onDropped });
    for (let k = i; k < i + 100; k++) await letters.append([letter(k)]);
    assert.equal(letters.stats.letters + dropped, i + 100);
    await letters.close();
    assert.ok((await bytesIn(folder)) <= 20_000);
    assert.equal(letters.stats.bytes, await bytesIn(folder));
  }
  const kept = await idsIn(folder);
  assert.equal(kept.length + dropped, 300);
  assert.ok(kept.length > 50, `${kept.length} are kept`);
  assert.deepEqual(
    kept,
    Array.from({ length: kept.length }, (_, i) => `id-${dropped + i}`),
  );
});

test("with when_full block nothing is removed, and new letters are refused until there is room", async (t) => {
  const folder = await folderOf(t);
  const letters = store(folder, { maxBytes: 5000, whenFull: "block" });
  let taken = 0;
  await assert.rejects(async () => {
    for (; ; taken++) await letters.append([letter(taken)]);
  }, /budget of 5000 bytes .*max_bytes.*replay or purge/);
  assert.ok(taken > 10);
  assert.equal((await idsIn(folder)).length, taken);
  assert.equal(await letters.change(({ id }) => (id === "id-3" ? "remove" : "keep")), 1);
  assert.equal(await letters.append([letter(taken)]), 1);
  await letters.close();
  assert.ok((await bytesIn(folder)) <= 5000);
});

test("letters that are too old are removed, counted, and no younger one with them", async (t) => {
  const folder = await folderOf(t);
  let now = AT;
  const dropped: [number, string][] = [];
  const options = {
    maxAgeMs: 800_000,
    now: () => now,
    onDropped: (...all: [number, string]) => void dropped.push(all),
  };
  const letters = store(folder, options);
  for (let i = 0; i < 20; i++) {
    now = AT + i * 60_000;
    await letters.append([letter(i * 60_000)]);
    await letters.removeOld();
  }
  const count = dropped.reduce((sum, [each]) => sum + each, 0);
  assert.ok(count > 0);
  assert.ok(dropped.every(([, why]) => why === "age"));
  const kept = await idsIn(folder);
  assert.equal(kept.length + count, 20);
  for (let i = 0; i < 20; i++) {
    const ageMs = now - (AT + i * 60_000);
    // Within one file, an eighth of the age, they go together.
    if (ageMs <= 800_000) assert.ok(kept.includes(`id-${i * 60_000}`), `${i} is young`);
    if (ageMs > 800_000 + 200_000) assert.ok(!kept.includes(`id-${i * 60_000}`), `${i} is old`);
  }
  now += 10_000_000;
  await letters.removeOld();
  assert.deepEqual(await idsIn(folder), []);
  await letters.close();
});

test("the same event refused by the same sink is one letter, over restarts too; another sink makes another", async (t) => {
  const folder = await folderOf(t);
  const bySink = (name: string, identity: string): DeadLetter => {
    const { stage: _stage, ...rest } = letter(1);
    return { ...rest, sink: name, sink_identity: identity };
  };
  for (let i = 0; i < 2; i++) {
    const letters = store(folder);
    assert.equal(await letters.append([bySink("es", "A"), bySink("es", "A")]), i === 0 ? 1 : 0);
    // Renamed: the same sink all the same.
    assert.equal(await letters.append([bySink("renamed", "A")]), 0);
    assert.equal(await letters.append([bySink("cw", "B")]), i === 0 ? 1 : 0);
    await letters.close();
  }
  assert.equal((await idsIn(folder)).length, 2);
});

test("a letter of a stage is written again only for sinks that none stands for yet", async (t) => {
  const folder = await folderOf(t);
  const letters = store(folder);
  assert.equal(await letters.append([letter(1, { to: { a: "A", b: "B" } })]), 1);
  assert.equal(await letters.append([letter(1, { to: { a: "A" } })]), 0);
  assert.equal(await letters.append([letter(1, { to: { a: "A", b: "B", c: "C" } })]), 1);
  await letters.close();
  const targets: unknown[] = [];
  for await (const { to } of readLetters(folder)) targets.push(to);
  assert.deepEqual(targets, [{ a: "A", b: "B" }, { c: "C" }]);
});

test("change keeps, replaces and removes letters in all files, and what was removed may come again", async (t) => {
  const folder = await folderOf(t);
  const letters = store(folder, { maxBytes: 40_000 });
  for (let k = 0; k < 60; k++) await letters.append([letter(k)]);
  assert.ok((await readdir(folder)).length > 1);
  const removed = await letters.change((each) => {
    const number = Number(each.id.slice(3));
    return number % 3 === 0 ? "remove" : number % 3 === 1 ? { ...each, reason: "new" } : "keep";
  });
  assert.equal(removed, 20);
  assert.equal(letters.stats.letters, 40);
  assert.equal(await letters.append([letter(0), letter(1)]), 1);
  await letters.close();
  const found: string[] = [];
  for await (const { id, reason } of readLetters(folder)) found.push(`${id} ${reason}`);
  assert.equal(found.length, 41);
  assert.equal(found.filter((each) => each.endsWith(" new")).length, 20);
  assert.equal(found.at(-1), "id-0 r");
});

test("half a line that a crash left is cut off and what follows it is whole", async (t) => {
  const folder = await folderOf(t);
  const first = store(folder);
  await first.append([letter(0)]);
  await first.close();
  await appendFile(join(folder, "dead-letters.ndjson"), '{"at":"2026-');
  const second = store(folder);
  await second.append([letter(1)]);
  await second.close();
  const lines = (await readFile(join(folder, "dead-letters.ndjson"), "utf8")).trim().split("\n");
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as DeadLetter).id),
    ["id-0", "id-1"],
  );
});
