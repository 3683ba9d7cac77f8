import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compilePattern, isLinearTime, protectAgainstBacktracking } from "../../../src/codec/pattern.ts";
import { WiretailError } from "../../../src/core/error.ts";

function found(source: string, text: string, allowBacktracking = false): Record<string, string | undefined> | null {
  const pattern = compilePattern(source, { allowBacktracking });
  const match = pattern.regex.exec(text);
  if (match === null) return null;
  const fields: Record<string, string | undefined> = {};
  for (const { group, field } of pattern.captures) fields[pattern.fields[field]!] ??= match[group];
  return fields;
}
const refusal = (source: string): WiretailError => {
  try {
    compilePattern(source);
  } catch (error) {
    if (error instanceof WiretailError) return error;
  }
  return assert.fail(`${source} was accepted`);
};

describe("patterns", () => {
  it("this V8 finishes a catastrophic pattern on its linear-time engine", () => {
    assert.equal(protectAgainstBacktracking(), true);
    for (const source of ["^(a+)+$", "^(?<x>(a|aa)+)$", "^(?<x>(?:a|a?)+)$", "(x+x+)+y"]) {
      const { regex } = compilePattern(source);
      const began = performance.now();
      assert.equal(regex.test((source.includes("y") ? "x" : "a").repeat(40) + "b"), false);
      // Unprotected, 40 letters take hours.
      assert.ok(performance.now() - began < 2000, source);
    }
  });

  it("a group is named like the field it gives, dots and all", () => {
    assert.deepEqual(found("^(?<http.request.method>[A-Z]+) (?<@timestamp>\\S+)(?: (?<labels.x-y>\\d+))?", "GET now"), {
      "http.request.method": "GET",
      "@timestamp": "now",
      "labels.x-y": undefined,
    });
  });

  it("plain groups, classes and escapes before a name do not shift it", () => {
    assert.deepEqual(found("(a)(?:b)[(?<x>\\]]\\((?<y>c)", "ab<(c"), { y: "c" });
  });

  it("one name may stand in several alternatives", () => {
    assert.deepEqual(found("^(?:in (?<user.name>\\w+)|(?<user.name>\\w+) out)$", "ada out"), { "user.name": "ada" });
    assert.deepEqual(found("^(?:in (?<user.name>\\w+)|(?<user.name>\\w+) out)$", "in ada"), { "user.name": "ada" });
  });

  it("patterns that the linear-time engine cannot run are refused, and say what is wrong and what to do", () => {
    for (const [source, why] of [
      ["^(?=a)(a+)+$", /look-around/],
      ["(?<!x)a", /look-around/],
      ["(a+)\\1", /back-reference/],
      ["(?<q>['\"]).*\\k<q>", /back-reference/],
      ["a{1,1000}", /counted repeat/],
    ] as const) {
      const error = refusal(source);
      assert.equal(error.code, "WT_PATTERN_REFUSED");
      assert.match(error.message, why);
      assert.match(error.hint ?? "", /allow_backtracking/);
      assert.equal(isLinearTime(source), false);
    }
    assert.deepEqual(found("(?<q>['\"])(?<v>.*)\\k<q>", "x='y'", true), { q: "'", v: "y" });
  });

  it("what is no regular expression, or names no field, is refused with the place", () => {
    assert.match(refusal("a(b").message, /is not a regular expression: Unterminated group/);
    assert.match(refusal("[z-a]").message, /out of order/);
    assert.match(refusal("x(?<a b>c)").message, /group at position 2 has the name "a b"/);
    assert.match(refusal("(?<.a>c)").message, /is not a field/);
    assert.match(refusal("(?<a").message, /is not a field/);
  });

  it("a text that does not match is told how far it got", () => {
    const { explain } = compilePattern("^(?<time>\\d{4}-\\d{2}) \\x5b(?<level>[A-Z]+)] (?:x|y) done$");
    assert.equal(explain("2019-1"), 'does not match the pattern (matched up to "2019-" at character 5)');
    assert.equal(
      explain("2019-12 [WARN] z"),
      'does not match the pattern (matched up to "2019-12 [WARN] " at character 15)',
    );
    assert.equal(
      explain("2019-12 [WARN] x don"),
      'does not match the pattern (matched up to "2019-12 [WARN] x don" at character 20)',
    );
    assert.equal(explain("zzz"), "does not match the pattern");
    assert.equal(compilePattern("^a|b$").explain("c"), "does not match the pattern");
  });
});
