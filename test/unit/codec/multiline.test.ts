import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LineSplitter, type SplitEnd } from "../../../src/codec/lines.ts";
import type { MultilineRules } from "../../../src/codec/multiline.ts";

const START: MultilineRules = { startPattern: /^\S/, continuationPattern: undefined, maxLines: 500, maxBytes: 1 << 20 };
const CONTINUATION: MultilineRules = {
  startPattern: undefined,
  continuationPattern: /^(\s|Caused by)/,
  maxLines: 500,
  maxBytes: 1 << 20,
};

function events(bytes: Buffer, cuts: readonly number[], multiline: MultilineRules, end: SplitEnd, maxLineBytes = 1000) {
  const splitter = new LineSplitter({ maxLineBytes, multiline });
  const out: { text: string; offset: number; flags: readonly string[] | undefined }[] = [];
  let position = 0;
  for (const until of [...[...cuts].sort((a, b) => a - b).filter((cut) => cut < bytes.length), bytes.length]) {
    for (;;) {
      const split = splitter.split(
        Buffer.from(bytes.subarray(position, until)),
        position,
        until === bytes.length ? end : "open",
      );
      for (let i = 0; i < split.count; i++) {
        out.push({
          text: split.text.slice(split.starts[i], split.ends[i]),
          offset: split.offsets[i]!,
          flags: split.flags?.get(i),
        });
      }
      position += split.consumed;
      if (split.consumed === 0) break;
    }
  }
  return { out, position };
}

describe("multiline", () => {
  it("joins the lines of a stack trace to the line before", () => {
    const bytes = Buffer.from("one\n  at a\n  at b\ntwo\nthree\n\tat c\n");
    const { out } = events(bytes, [], START, "lines");
    assert.deepEqual(out, [
      { text: "one\n  at a\n  at b", offset: 0, flags: ["multiline"] },
      { text: "two", offset: 18, flags: undefined },
      { text: "three\n\tat c", offset: 22, flags: ["multiline"] },
    ]);
    assert.deepEqual(events(bytes, [], CONTINUATION, "lines").out, out);
  });

  it("holds the last event until it is told that nothing follows", () => {
    const bytes = Buffer.from("one\n  at a\ntwo\n  at b\n");
    const open = events(bytes, [], START, "open");
    assert.deepEqual(
      open.out.map((event) => event.text),
      ["one\n  at a"],
    );
    assert.equal(open.position, 11);
    assert.equal(events(bytes, [], START, "lines").out.length, 2);
  });

  it("finds the same events wherever chunks are cut", () => {
    const line = fc.constantFrom("start\n", " more\n", "\n", "Caused by: x\r\n", "bäd\n", " 日本\n", "Ünd\n");
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 30 }),
        fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 8 }),
        fc.constantFrom(2, 3, 500),
        (lines, cuts, maxLines) => {
          const bytes = Buffer.from(lines.join(""));
          for (const rules of [START, CONTINUATION]) {
            const whole = events(bytes, [], { ...rules, maxLines }, "lines");
            assert.deepEqual(events(bytes, cuts, { ...rules, maxLines }, "lines"), whole);
            assert.equal(
              whole.out.reduce((n, event) => n + event.text.split("\n").length, 0),
              lines.length,
            );
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("closes an event at its limits and loses none of its lines", () => {
    const bytes = Buffer.from("a\n b\n c\n d\n e\n");
    assert.deepEqual(events(bytes, [], { ...START, maxLines: 2 }, "lines").out, [
      { text: "a\n b", offset: 0, flags: ["multiline", "truncated"] },
      { text: " c\n d", offset: 5, flags: ["multiline", "truncated"] },
      { text: " e", offset: 11, flags: undefined },
    ]);
    assert.deepEqual(
      events(bytes, [], { ...START, maxBytes: 8 }, "lines").out.map((event) => event.text),
      ["a\n b\n c", " d\n e"],
    );
  });

  it("gives a line that is too long an event of its own", () => {
    const bytes = Buffer.from("a\n b\n cccccccccccccccc\n d\n");
    for (const cuts of [[], [8], [8, 16], [20]]) {
      assert.deepEqual(events(bytes, cuts, START, "lines", 6).out, [
        { text: "a\n b", offset: 0, flags: ["multiline"] },
        { text: " ccccc", offset: 5, flags: ["truncated"] },
        { text: " d", offset: 23, flags: undefined },
      ]);
    }
  });
});
