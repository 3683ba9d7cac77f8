import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../../../src/cli/tail/history.ts";

/** A history of files of 100 bytes each, what it has shown, and its timer. */
function historyOf(paths: readonly string[], { isBlocked = false } = {}) {
  const shown: string[] = [];
  const timer = { callback: undefined as (() => void) | undefined, isBlocked };
  const history = new History({
    files: new Map(paths.map((path) => [path, 100])),
    startedMs: 1000,
    isBlocked: () => timer.isBlocked,
    after: (_, callback) => {
      timer.callback = callback;
      return () => (timer.callback = undefined);
    },
  });
  const add = (path: string, timeMs: number | undefined, text: string, byte = 10): void => {
    history.reached(path, byte);
    history.add(path, timeMs, text.length, () => shown.push(text));
  };
  return { history, shown, timer, add };
}

test("what is in several files is shown in the order of time, as soon as no earlier event can come", async () => {
  const { history, shown, add } = historyOf(["a", "b"]);
  add("a", 10, "a10");
  add("a", 30, "a30");
  add("a", 50, "a50", 100);
  await Promise.resolve();
  assert.deepEqual(shown, [], "nothing is known of b");
  add("b", 20, "b20");
  add("b", 40, "b40");
  await Promise.resolve();
  assert.deepEqual(shown, ["a10", "b20", "a30"]);
  add("b", 60, "b60", 99);
  await Promise.resolve();
  assert.deepEqual(shown, ["a10", "b20", "a30", "b40", "a50", "b60"]);
  assert.equal(history.isOver, true);
  add("a", 55, "a55");
  assert.equal(shown.at(-1), "a55", "what comes later is shown as it comes");
});

test("events of one file keep their order, also those without a time and those that are late", async () => {
  const { history, shown, add } = historyOf(["a", "b"]);
  add("a", 10, "a10");
  add("a", 2000, "a without a time");
  add("a", 5, "a5, late");
  add("b", 7, "b7");
  add("b", 12, "b12");
  history.end();
  await Promise.resolve();
  assert.deepEqual(shown, ["b7", "a10", "a without a time", "a5, late", "b12"]);
});

test("a file whose lines have no times holds nobody up and comes last", async () => {
  const { shown, add } = historyOf(["text", "b"]);
  add("text", undefined, "one");
  add("b", 7, "b7");
  add("b", 8, "b8", 100);
  await Promise.resolve();
  assert.deepEqual(shown, ["b7", "b8"]);
  add("text", undefined, "two", 100);
  await Promise.resolve();
  assert.deepEqual(shown, ["b7", "b8", "one", "two"]);
});

test("where nothing comes for a while everything is shown, but not while the screen takes nothing", () => {
  const { history, shown, timer, add } = historyOf(["a", "b"], { isBlocked: true });
  add("a", 10, "a10");
  timer.callback!();
  assert.deepEqual([shown, history.isOver], [[], false]);
  timer.isBlocked = false;
  timer.callback!();
  assert.deepEqual([shown, history.isOver], [["a10"], true]);
});

test("what is held back is bounded: the earliest are shown then, in the order of time among them", () => {
  const { history, shown } = historyOf(["a", "b"]);
  const million = 1024 * 1024;
  for (let i = 40; i > 0; i--) history.add("a", undefined, million, () => shown.push(`a${i}`));
  assert.equal(shown.length, 24);
  history.add("b", 1, million, () => shown.push("b"));
  assert.equal(shown.at(-1), "b");
});
