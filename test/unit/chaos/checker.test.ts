import assert from "node:assert/strict";
import { test } from "node:test";
import { check, type FoundEvent, type Verdict } from "../../chaos/checker.ts";
import { chaosLine, tokenIn } from "../../chaos/lines.ts";
import { drawPlan, FAULT_KINDS } from "../../chaos/plan.ts";

const LINES = Array.from({ length: 5 }, (_, i) => chaosLine("a", "text", i));
const TOKENS = LINES.map(({ token }) => token);

function found(
  numbers: readonly number[],
  change: (event: FoundEvent, i: number) => FoundEvent = (each) => each,
): FoundEvent[] {
  return numbers.map((number, i) => {
    const origin = { partition: "generation", offset: number * 100 };
    return change({ message: LINES[number]!.message, part: "", origin }, i);
  });
}

function faults(
  events: readonly FoundEvent[],
  { unreadable = [] as string[], deadLetters = [] as string[] } = {},
): Partial<Verdict> {
  const options = { lines: LINES, found: events, unreadable: new Set(unreadable), deadLetters: new Set(deadLetters) };
  const verdict = Object.entries(check(options)).filter(([, value]) => Array.isArray(value) && value.length > 0);
  return Object.fromEntries(verdict);
}

test("the checker finds nothing where every line is once", () => {
  assert.deepEqual(faults(found([0, 1, 2, 3, 4])), {});
});

test("the checker tells missing lines from those that were destroyed or refused", () => {
  assert.deepEqual(faults(found([0, 2])), { missing: [TOKENS[1], TOKENS[3], TOKENS[4]] });
  assert.deepEqual(faults(found([0, 2]), { unreadable: [TOKENS[1]!, TOKENS[2]!], deadLetters: [TOKENS[3]!] }), {
    missing: [TOKENS[4]],
    unreadable: [TOKENS[1]],
    deadLettered: [TOKENS[3]],
  });
});

test("the checker finds lines that are doubled, changed, unknown, late, or said to be from elsewhere", () => {
  assert.deepEqual(faults(found([0, 1, 1, 1, 2, 3, 4])), { doubled: [TOKENS[1], TOKENS[1]] });
  const cut = (event: FoundEvent, i: number) => (i === 2 ? { ...event, message: event.message.slice(0, -1) } : event);
  assert.deepEqual(faults(found([0, 1, 2, 3, 4], cut)), { mangled: [TOKENS[2]] });
  const other = { message: "what nobody wrote", part: "" };
  assert.deepEqual(faults([...found([0, 1, 2, 3, 4]), other]), { unknown: [other.message] });
  assert.deepEqual(faults(found([0, 2, 1, 3, 4])), { outOfOrder: [TOKENS[1]] });
  const shifted = (event: FoundEvent, i: number) =>
    i === 3 ? { ...event, origin: { partition: "generation", offset: 1 } } : event;
  assert.deepEqual(faults(found([0, 1, 2, 3, 4], shifted)), { misplaced: [TOKENS[3]] });
});

test("a line of a number is the same whenever it is made, and has its token once", () => {
  for (const style of ["text", "json", "odd_bytes", "huge"] as const) {
    for (let number = 0; number < 600; number += style === "huge" ? 300 : 7) {
      const line = chaosLine("b", style, number);
      assert.deepEqual(line, chaosLine("b", style, number));
      assert.equal(tokenIn(line.message), line.token);
      assert.equal(line.bytes.includes(10), false);
    }
  }
});

test("a seed draws the same faults again, at least eight kinds of them, and every kind is drawn by some seed", () => {
  const drawn = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const plan = drawPlan(seed, 30, FAULT_KINDS);
    assert.deepEqual(plan, drawPlan(seed, 30, FAULT_KINDS));
    assert.ok(new Set(plan.map(({ kind }) => kind.name)).size >= 8);
    for (const { kind } of plan) drawn.add(kind.name);
  }
  assert.equal(drawn.size, FAULT_KINDS.length);
});
