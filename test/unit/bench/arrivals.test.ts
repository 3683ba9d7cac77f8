import assert from "node:assert/strict";
import { test } from "node:test";
import { Arrivals } from "../../../bench/arrivals.ts";
import { INPUT_KINDS, lineSource } from "../../../bench/input.ts";

function bulkBody(lines: readonly string[]): string {
  return lines.map((line) => `{"create":{}}\n${JSON.stringify({ message: line })}\n`).join("");
}

for (const kind of INPUT_KINDS) {
  test(`the benchmark's counter finds what is missing and what is doubled in ${kind} lines`, () => {
    const next = lineSource(kind, 7);
    const count = kind === "long" ? 30 : 3000;
    const half = count / 2;
    const lines = Array.from({ length: count }, (_, i) => next(i));
    const arrivals = new Arrivals(kind, lines.length);
    assert.equal(arrivals.add(bulkBody(lines.slice(0, half))), half);
    arrivals.add(bulkBody(lines.slice(half + 1)));
    arrivals.add(bulkBody(lines.slice(10, 12)));
    assert.deepEqual(
      {
        documents: arrivals.documents,
        missing: arrivals.missing,
        doubled: arrivals.doubled,
        unknown: arrivals.unknown,
      },
      { documents: count + 1, missing: 1, doubled: 2, unknown: 0 },
    );
    arrivals.add(bulkBody(["garbled"]));
    assert.equal(arrivals.unknown, 1);
  });

  test(`the benchmark's ${kind} input is the same for the same seed, and another for another`, () => {
    const [a, b, c] = [lineSource(kind, 1), lineSource(kind, 1), lineSource(kind, 2)];
    const lines = (source: (i: number) => string): string[] => Array.from({ length: 50 }, (_, i) => source(i));
    const first = lines(a);
    assert.deepEqual(lines(b), first);
    assert.notDeepEqual(lines(c), first);
  });
}

test("the benchmark's counter leaves out the documents that were refused", () => {
  const next = lineSource("nginx", 7);
  const lines = Array.from({ length: 10 }, (_, i) => next(i));
  const arrivals = new Arrivals("nginx", lines.length);
  assert.equal(arrivals.add(bulkBody(lines), new Set([0, 4])), 10);
  assert.deepEqual([arrivals.documents, arrivals.missing], [8, 2]);
  arrivals.add(bulkBody([lines[0]!, lines[4]!]));
  assert.deepEqual([arrivals.documents, arrivals.missing, arrivals.doubled], [10, 0, 0]);
});

test("the benchmark's counter finds nginx lines that a pipeline took apart, beside words that hold the key's name", () => {
  const arrivals = new Arrivals("nginx", 2);
  const document = (rid: string): string => `{"create":{}}\n{"url":"/madrid/grid","rid":"${rid}"}\n`;
  arrivals.add(document("00000000") + document("00000001"));
  assert.deepEqual([arrivals.missing, arrivals.doubled, arrivals.unknown], [0, 0, 0]);
});
