import assert from "node:assert/strict";
import { test } from "node:test";
import { Review } from "../../../../src/cli/tail/review.ts";
import type { Severity } from "../../../../src/cli/tail/severity.ts";
import type { Row, ViewOptions } from "../../../../src/cli/tail/view.ts";

const VIEW: ViewOptions = {
  terminal: { isTerminal: true, hasColor: false, width: 80, hasUnicode: true },
  ...{ folds: true, highlight: [], labels: [] },
};
const NOTHING = { rows: 0, errors: 0 };

function rows(severities: readonly Severity[]): Row[] {
  return severities.map((severity, i) => ({ label: undefined, lines: [`row ${i}`], severity }));
}

const MIXED = rows(["normal", "error", "warning", "normal", "error", "normal"]);

test("it begins at the newest row, or at the newest error", () => {
  const review = new Review(MIXED, VIEW);
  assert.equal(review.at, 5);
  review.toLastError();
  assert.equal(review.at, 4);
});

test("e and E go from error to error, w and W stop at warnings, and the end is said", () => {
  const review = new Review(MIXED, VIEW);
  const go = (key: string): number => {
    assert.equal(review.key(key, 10), "stay");
    return review.at;
  };
  assert.deepEqual(["E", "W", "E", "E"].map(go), [4, 2, 1, 1]);
  assert.match(review.lines(5, NOTHING).at(-1)!, /error 1 of 2 .*no earlier error/);
  assert.deepEqual(["w", "e", "e", "g", "G"].map(go), [2, 4, 4, 0, 5]);
});

test("the screen is filled around the row that is looked at, which is always on it", () => {
  const many = rows(Array.from({ length: 100 }, () => "normal" as const));
  const review = new Review(many, VIEW);
  for (const key of ["", "\u001b[A", "\u001b[5~", "g", "j", "G"]) {
    review.key(key, 10);
    const lines = review.lines(10, NOTHING);
    assert.equal(lines.length, 10);
    assert.ok(lines.includes(`› row ${review.at}`), lines.join("\n"));
    assert.equal(lines.filter((line) => /row \d+$/.test(line)).length, 9);
  }
});

test("Enter unfolds a stack trace and folds it again, and a tall one does not push itself away", () => {
  const trace: Row = {
    ...{ label: undefined, severity: "error" },
    lines: ["Error: x", ...Array.from({ length: 30 }, (_, i) => `    at f${i} (a.js:1:1)`)],
  };
  const review = new Review([...MIXED, trace, ...MIXED], VIEW);
  for (let i = 0; i < 6; i++) review.key("k", 10);
  assert.ok(review.lines(10, NOTHING).some((line) => line === "› Error: x  +30 lines"));
  review.key("\r", 10);
  assert.equal(review.lines(10, NOTHING)[0], "› Error: x");
  review.key("\r", 10);
  assert.ok(review.lines(10, NOTHING).some((line) => line === "› Error: x  +30 lines"));
});

test("what came meanwhile is said, and Space, Esc and q lead out", () => {
  const review = new Review(MIXED, VIEW);
  assert.match(review.lines(4, { rows: 1200, errors: 3 }).at(-1)!, /1,200 new, 3 errors/);
  assert.equal(review.key(" ", 4), "leave");
  assert.equal(review.key("\u001b", 4), "leave");
  assert.equal(review.key("q", 4), "quit");
  review.key("?", 9);
  assert.match(review.lines(9, NOTHING).join("\n"), /previous error/);
  assert.equal(review.key("\u001b", 9), "stay");
});

test("nothing to look at is no fault", () => {
  const review = new Review([], VIEW);
  review.toLastError();
  for (const key of ["e", "E", "j", "\r"]) review.key(key, 5);
  assert.equal(review.lines(5, NOTHING).length, 5);
});
