import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HeaderSplitter } from "../../../src/codec/header-lines.ts";
import { LineSplitter } from "../../../src/codec/lines.ts";
import { textEncoding } from "../../../src/codec/text-encoding.ts";

/** [offset, text, header in force] of all events. */
function read(bytes: Buffer, cuts: readonly number[], encoding?: string) {
  const rules = { maxLineBytes: 64, encoding: encoding === undefined ? undefined : textEncoding(encoding) };
  const splitter = new HeaderSplitter(new LineSplitter(rules), "#F:", rules.encoding);
  const events: [number, string, string | undefined][] = [];
  let position = 0;
  let seen = 0;
  for (const grow of [...cuts, Infinity]) {
    seen = Math.min(bytes.length, seen + grow);
    for (;;) {
      const chunk = Buffer.from(bytes.subarray(position, seen));
      const split = splitter.split(chunk, position, grow === Infinity ? "all" : "open");
      for (let i = 0; i < split.count; i++)
        events.push([split.offsets[i]!, split.text.slice(split.starts[i], split.ends[i]), splitter.header?.text]);
      position += split.consumed;
      if (split.consumed === 0) break;
    }
  }
  assert.equal(position, bytes.length);
  return events;
}

describe("header lines", () => {
  it("are in force for themselves and what comes after, until the next", () => {
    const text = "before\n#F: a b\n1 2\nnot #F: x\n#F: c\r\n3\n#F:";
    for (const encoding of [undefined, "utf-16le", "utf-16be", "shift_jis"]) {
      const marked = encoding?.startsWith("utf-16") === true ? `\ufeff${text}` : text;
      const bytes = Buffer.from(marked, encoding?.startsWith("utf-16") === true ? "utf16le" : "utf8");
      const all = read(encoding === "utf-16be" ? bytes.swap16() : bytes, [], encoding);
      assert.deepEqual(
        all.map(([, line, header]) => [line, header]),
        [
          ["before", undefined],
          ["#F: a b", "#F: a b"],
          ["1 2", "#F: a b"],
          ["not #F: x", "#F: a b"],
          ["#F: c", "#F: c"],
          ["3", "#F: c"],
          ["#F:", "#F:"],
        ],
      );
    }
  });

  it("at the very beginning, behind a byte order mark, count too", () => {
    assert.deepEqual(read(Buffer.from("\ufeff#F: a\n1\n"), []), [
      [0, "#F: a", "#F: a"],
      [8 + 1, "1", "#F: a"],
    ]);
  });

  it("are found however the input is cut, and never in the middle of a line", () => {
    const line = fc.oneof(
      fc.constantFrom("#F: a", "#F: b c", "#F", "x #F: y", "", "#F: " + "z".repeat(80), "y".repeat(90)),
      fc.string({ maxLength: 10 }).map((text) => text.replaceAll("\n", "")),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.array(fc.nat(40), { maxLength: 10 }), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((each) => `${each}\n`).join(""));
        assert.deepEqual(read(bytes, cuts), read(bytes, []));
        let header: string | undefined;
        for (const [, text, seen] of read(bytes, cuts)) {
          if (text.startsWith("#F:")) header = text;
          assert.equal(seen, header);
        }
      }),
      { numRuns: 500 },
    );
  });
});
