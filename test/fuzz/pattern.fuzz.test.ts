import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { compileFieldTemplate } from "../../src/codec/field-template.ts";
import { compilePattern, type Pattern } from "../../src/codec/pattern.ts";
import { WiretailError } from "../../src/core/error.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 3, numRuns: 1_000_000 };
const token = fc.constantFrom(
  "a",
  "b",
  ".",
  "\\d",
  "\\w",
  "[ab]",
  "[^a]",
  "(",
  "(?:",
  "(?<x>",
  "(?<a.b>",
  ")",
  ")*",
  ")+",
  "+",
  "*",
  "?",
  "{2,5}",
  "|",
  "^",
  "$",
  "\\(",
  "]",
  "\\k<x>",
  "(?=",
  "\\1",
);

function compile(source: string): Pattern | undefined {
  try {
    return compilePattern(source);
  } catch (error) {
    assert.ok(error instanceof WiretailError && error.code === "WT_PATTERN_REFUSED", String(error));
    return undefined;
  }
}

it("any pattern is refused or answers soon on any text, however it repeats", () => {
  const source = fc.oneof(
    fc.array(token, { maxLength: 14 }).map((tokens) => tokens.join("")),
    fc.string(),
  );
  fc.assert(
    fc.property(source, fc.stringMatching(/^[ab1]{0,6}$/), (text, unit) => {
      const pattern = compile(text);
      if (pattern === undefined) return;
      const line = unit.repeat(30) + "!";
      const began = performance.now();
      const match = pattern.regex.exec(line);
      if (match === null) assert.match(pattern.explain(line), /^does not match the pattern/);
      assert.ok(performance.now() - began < 3000, text);
      for (const { group, field } of pattern.captures) {
        assert.ok(pattern.fields[field] !== undefined);
        if (match !== null) assert.ok(group < match.length);
      }
    }),
    limits,
  );
});

it("named groups capture what V8's own named groups do", () => {
  const part = fc.constantFrom(
    "a",
    "b",
    ".",
    "(?:a|b)",
    "[ab(]",
    "\\(?",
    "(a)?",
    "(?<NAME>a*)",
    "(?<NAME>[^b]+)",
    "(?<NAME>(?:b|(a))?)",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.stringMatching(/^[ab(]{0,12}$/), (parts, text) => {
      let count = 0;
      const source = parts.join("").replaceAll("NAME", () => `n${count++}`);
      const own = new RegExp(source).exec(text);
      const pattern = compile(source)!;
      const match = pattern.regex.exec(text);
      assert.deepEqual(match?.[0], own?.[0]);
      for (const { group, field } of pattern.captures)
        assert.equal(match?.[group], own?.groups?.[pattern.fields[field]!]);
    }),
    limits,
  );
});

it("any template compiles or is refused", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.constantFrom("{", "}", "{{", "}}", "a", "{a.b}")).map((parts) => parts.join("")),
      ),
      (text) => {
        try {
          const template = compileFieldTemplate(text);
          if (!/[{}]/.test(text)) assert.equal(template.constant, text);
        } catch (error) {
          assert.ok(error instanceof WiretailError && error.code === "WT_FORMAT_INVALID", String(error));
        }
      },
    ),
    limits,
  );
});
