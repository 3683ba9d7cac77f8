import assert from "node:assert/strict";
import { test } from "node:test";
import { Waiters } from "../../../src/runtime/waiters.ts";

test("all who wait are woken together, and who waits from then on is not", async () => {
  const waiters = new Waiters();
  const woken: string[] = [];
  const first = Promise.all(["a", "b"].map((name) => waiters.wait().then(() => woken.push(name))));
  assert.ok(!waiters.isEmpty);
  waiters.wake();
  assert.ok(waiters.isEmpty);
  const later = waiters.wait().then(() => woken.push("c"));
  await first;
  assert.deepEqual(woken, ["a", "b"]);
  waiters.wake();
  await later;
  assert.deepEqual(woken, ["a", "b", "c"]);
});

test("nobody waits for longer than a signal allows, not even when it is aborted already", async () => {
  const waiters = new Waiters();
  const stop = new AbortController();
  const waiting = waiters.wait(stop.signal);
  stop.abort();
  await waiting;
  await waiters.wait(stop.signal);
  waiters.wake();
});
