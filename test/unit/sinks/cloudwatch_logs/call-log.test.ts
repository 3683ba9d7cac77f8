import assert from "node:assert/strict";
import { appendFileSync, readdirSync, statSync, symlinkSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Slice } from "../../../../src/core/batch.ts";
import { CallLog, runsOf } from "../../../../src/sinks/cloudwatch_logs/call-log.ts";
import { makeBatch } from "../../../support/batches.ts";
import { makeContext } from "../../../support/context.ts";
import { temporaryFolder } from "../../../support/folders.ts";

const TO = "group\u0000stream";
const NOTHING = makeContext().log;
const ALL = (): boolean => true;

function slice(from: number, to: number, partition = "partition-000001"): Slice {
  return { batch: makeBatch({ lines: Array.from({ length: 10 }, (_, i) => `line ${i}`), partition }), from, to };
}

function open(folder: string, now = () => 0, service = "eu-west-1"): CallLog {
  return CallLog.open(folder, service, now, NOTHING);
}

/** Which of a slice's documents are known, as a text of 0 and 1. */
function seen(known: ((index: number) => boolean) | undefined, { from, to }: Slice): string {
  let text = "";
  for (let i = from; i < to; i++) text += known?.(i) === true ? "1" : "0";
  return text;
}

test("what was answered is known to the next process, and what was not is known as unanswered", async (t) => {
  const folder = await temporaryFolder(t);
  const first = open(folder);
  first.answeredCall(first.sent(TO, runsOf([slice(0, 3)], ALL))!);
  first.refusedCall(first.sent(TO, runsOf([slice(3, 5)], ALL))!);
  first.sent(TO, runsOf([slice(5, 7)], ALL));
  // Killed: no close.
  const next = open(folder);
  assert.equal(seen(next.answered(TO, slice(0, 10)), slice(0, 10)), "1110000000");
  assert.equal(seen(next.unanswered(TO, slice(0, 10)), slice(0, 10)), "0000011000");
  assert.equal(next.answered("group\u0000other", slice(0, 10)), undefined, "another stream has none of it");
  assert.equal(next.answered(TO, slice(0, 10, "partition-000002")), undefined, "nor has another file");
  assert.equal(open(folder, () => 0, "us-east-1").isEmpty, true, "nor has another service");
  next.close();
});

test("of a call that was taken in part, the rest is sent again", async (t) => {
  const folder = await temporaryFolder(t);
  const first = open(folder);
  const call = first.sent(TO, runsOf([slice(0, 5)], ALL))!;
  const delivered = runsOf([slice(0, 5)], (document) => document !== 2);
  first.answeredCall(call, { delivered, partial: { id: 7 } });
  const next = open(folder);
  assert.equal(seen(next.answered(TO, slice(0, 10)), slice(0, 10)), "1101100000");
  assert.equal(next.unanswered(TO, slice(0, 10)), undefined);
  assert.deepEqual([...next.partials], [["id", 7]]);
});

test("a line that was cut off is left out, and what is written after it is read", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "calls.ndjson");
  const first = open(folder);
  first.answeredCall(first.sent(TO, runsOf([slice(0, 1)], ALL))!);
  first.answeredCall(first.sent(TO, runsOf([slice(1, 2)], ALL))!);
  truncateSync(path, statSync(path).size - 30);
  const second = open(folder);
  second.answeredCall(second.sent(TO, runsOf([slice(2, 3)], ALL))!);
  appendFileSync(path, '["sent",1,{}]\n{"format":1\n[]\nnull\n');
  const third = open(folder);
  assert.equal(seen(third.answered(TO, slice(0, 4)), slice(0, 4)), "1010");
  assert.equal(seen(third.unanswered(TO, slice(0, 4)), slice(0, 4)), "0100");
});

test("a call that cannot be noted is refused, and one that was noted can be ended on a full disk", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "calls.ndjson");
  const full = await temporaryFolder(t);
  const nowhere = open(full);
  symlinkSync("/dev/full", join(full, "calls.ndjson"));
  assert.equal(nowhere.sent(TO, runsOf([slice(0, 1)], ALL)), undefined);
  assert.match(nowhere.failure ?? "", /calls\.ndjson.*ENOSPC/);
  const log = open(folder);
  const call = log.sent(TO, runsOf([slice(0, 1)], ALL))!;
  const { size } = statSync(path);
  log.answeredCall(call);
  assert.equal(statSync(path).size, size, "the answer needs no more room");
  log.refusedCall(log.sent(TO, runsOf([slice(1, 2)], ALL))!);
  const next = open(folder);
  assert.equal(seen(next.answered(TO, slice(0, 2)), slice(0, 2)), "10");
  assert.equal(next.unanswered(TO, slice(0, 2)), undefined);
});

test("it keeps to two files of bounded size, and what is younger than a minute in them", async (t) => {
  const folder = await temporaryFolder(t);
  let now = 0;
  const log = open(folder, () => now);
  const prefix = "x".repeat(1000);
  for (let i = 0; i < 5_000; i++, now += 100) log.answeredCall(log.sent(TO, [[prefix, i, 0, i, 0]])!);
  log.close();
  assert.deepEqual(readdirSync(folder).sort(), ["calls.ndjson", "calls.previous.ndjson"]);
  for (const name of readdirSync(folder)) assert.ok(statSync(join(folder, name)).size < 1_300_000);
  const next = open(folder, () => now);
  const batch = { ...makeBatch({ lines: ["a"], firstOffset: 4_999 - 600 }), idPrefix: prefix };
  assert.equal(next.answered(TO, { batch, from: 0, to: 1 })?.(0), true);
});
