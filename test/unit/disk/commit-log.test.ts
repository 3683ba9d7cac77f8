import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { crc32 } from "node:zlib";
import type { ResumePoint } from "../../../src/core/component.ts";
import { openCommitLog, positionKey, readCommitLog, type CommitState } from "../../../src/disk/commit-log.ts";

let folder = "";
let path = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wiretail-commit-"));
  path = join(folder, "data.wiretail");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (position: number): ResumePoint => ({ position, resume: { line: position } });
const A = positionKey("aaaaaaaaaaaaaaaa", "chat");
const B = positionKey("bbbbbbbbbbbbbbbb", "chat");
const plain = (state: CommitState): unknown => ({
  length: state.length,
  positions: [...state.positions],
  data: state.data,
});

test("a log that does not exist yet is empty and is made by the first entry", async () => {
  const log = await openCommitLog(path);
  assert.deepEqual(plain(log.last), { length: 0, positions: [], data: undefined });
  await assert.rejects(stat(path), { code: "ENOENT" });
  await log.append({ length: 10, positions: new Map([[A, at(5)]]) });
  await log.close();
  assert.equal((await stat(path)).mode & 0o007, 0);
});

test("what was appended is found again: the last length, each key's last position, the last data", async () => {
  const log = await openCommitLog(path);
  await log.append({ length: 10, positions: new Map([[A, at(5)]]), data: { file: "one" } });
  await log.append({ length: 30, positions: new Map([[B, at(7)]]) });
  await log.append({ length: 40, positions: new Map([[A, at(9)]]) });
  const written = plain(log.last);
  await log.close();
  const again = await openCommitLog(path);
  assert.deepEqual(plain(again.last), written);
  assert.deepEqual(written, {
    length: 40,
    positions: [
      [B, at(7)],
      [A, at(9)],
    ],
    data: { file: "one" },
  });
  assert.equal(again.tornBytes, 0);
  await again.close();
});

test("cut off at any byte, the log gives the last whole entry and goes on from there", async () => {
  const states: { bytes: number; state: unknown }[] = [
    { bytes: 0, state: { length: 0, positions: [], data: undefined } },
  ];
  const log = await openCommitLog(path);
  for (let i = 1; i <= 4; i++) {
    await log.append({
      length: i * 100,
      positions: new Map([[i % 2 === 0 ? A : B, at(i)]]),
      data: i === 3 ? "ü" : undefined,
    });
    states.push({ bytes: (await stat(path)).size, state: plain(log.last) });
  }
  await log.close();
  const whole = await readFile(path);
  for (let cut = 0; cut <= whole.length; cut++) {
    await writeFile(path, whole.subarray(0, cut));
    const expected = states.findLast((each) => each.bytes <= cut)!;
    assert.deepEqual(plain(await readCommitLog(path)), expected.state, `reading at byte ${cut}`);
    assert.equal((await stat(path)).size, cut, "reading changes nothing");
    const torn = await openCommitLog(path);
    assert.deepEqual(plain(torn.last), expected.state, `cut at byte ${cut}`);
    assert.equal(torn.tornBytes, cut - expected.bytes);
    assert.equal(torn.damagedRecords, 0);
    await torn.append({ length: 9999, positions: new Map([[A, at(77)]]) });
    await torn.close();
    const state = await readCommitLog(path);
    assert.equal(state.length, 9999);
    assert.deepEqual(state.positions.get(A), at(77));
  }
});

test("an entry with any bit flipped does not count, and the ones around it do", async () => {
  const log = await openCommitLog(path);
  await log.append({ length: 1, positions: new Map([[A, at(1)]]) });
  const from = (await stat(path)).size;
  await log.append({ length: 2, positions: new Map([[A, at(2)]]) });
  const to = (await stat(path)).size;
  await log.append({ length: 3, positions: new Map([[B, at(3)]]) });
  await log.close();
  const whole = await readFile(path);
  for (let byte = from; byte < to - 1; byte++) {
    const bad = Buffer.from(whole);
    bad[byte]! ^= 1 << (byte % 8);
    await writeFile(path, bad);
    const damaged = await openCommitLog(path);
    assert.equal(damaged.last.length, 3);
    assert.deepEqual(damaged.last.positions.get(A), at(1), `byte ${byte}: the damaged entry's news is lost, no more`);
    assert.deepEqual(damaged.last.positions.get(B), at(3));
    assert.ok(damaged.damagedRecords >= 1);
    await damaged.close();
  }
});

test("a last entry with a bad checksum is cut off", async () => {
  const log = await openCommitLog(path);
  await log.append({ length: 1 });
  const good = (await stat(path)).size;
  await log.append({ length: 2 });
  await log.close();
  const bytes = await readFile(path);
  bytes[bytes.length - 3]! ^= 4;
  await writeFile(path, bytes);
  const again = await openCommitLog(path);
  assert.equal(again.last.length, 1);
  assert.equal((await stat(path)).size, good);
  await again.close();
});

test("a log that a newer version wrote is refused, not cut", async () => {
  const json = '{"length":1,"extra":true}';
  const text = `2 ${crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
  await writeFile(path, text);
  await assert.rejects(openCommitLog(path), { code: "WT_STATE_CORRUPT" });
  assert.equal(await readFile(path, "utf8"), text);
});

test("appends made at once are written in their order", async () => {
  const log = await openCommitLog(path);
  await Promise.all(Array.from({ length: 50 }, (_, i) => log.append({ length: i, positions: new Map([[A, at(i)]]) })));
  assert.equal(log.last.length, 49);
  await log.close();
  assert.deepEqual((await readCommitLog(path)).positions.get(A), at(49));
});

test("a log that has grown is replaced by one entry that holds everything", async () => {
  const log = await openCommitLog(path, { compactAtBytes: 2000 });
  await log.append({ length: 0, positions: new Map([[B, at(1)]]), data: "kept" });
  let largest = 0;
  for (let i = 1; i <= 500; i++) {
    await log.append({ length: i, positions: new Map([[A, at(i)]]) });
    largest = Math.max(largest, (await stat(path)).size);
  }
  assert.ok(largest < 2200, `${largest}`);
  await log.close();
  const state = await readCommitLog(path);
  assert.deepEqual(plain(state), {
    length: 500,
    positions: [
      [B, at(1)],
      [A, at(500)],
    ],
    data: "kept",
  });
});

test("positions are bounded: those unchanged for longest are forgotten", async () => {
  const log = await openCommitLog(path, { maxPositions: 2 });
  await log.append({ length: 1, positions: new Map([[A, at(1)]]) });
  await log.append({ length: 2, positions: new Map([[B, at(2)]]) });
  await log.append({ length: 3, positions: new Map([[A, at(3)]]) });
  await log.append({ length: 4, positions: new Map([["c chat", at(4)]]) });
  assert.deepEqual([...log.last.positions.keys()], [A, "c chat"]);
  await log.close();
});

test("an append that fails does not count, and the next one writes a whole log", async () => {
  const log = await openCommitLog(path);
  await mkdir(path);
  await assert.rejects(log.append({ length: 5, positions: new Map([[A, at(5)]]) }));
  assert.deepEqual(plain(log.last), { length: 0, positions: [], data: undefined });
  await rmdir(path);
  await log.append({ length: 6, positions: new Map([[B, at(6)]]) });
  await log.close();
  const state = await readCommitLog(path);
  assert.equal(state.length, 6);
  assert.deepEqual([...state.positions.keys()], [B]);
});

test("a rewritten log holds the same state in one entry", async () => {
  const log = await openCommitLog(path);
  await log.append({ length: 1, positions: new Map([[A, at(1)]]), data: "d" });
  await log.append({ length: 2, positions: new Map([[B, at(2)]]) });
  const state = plain(log.last);
  await log.rewrite();
  await log.close();
  assert.equal((await readFile(path, "utf8")).split("\n").length, 2);
  assert.deepEqual(plain(await readCommitLog(path)), state);
});
