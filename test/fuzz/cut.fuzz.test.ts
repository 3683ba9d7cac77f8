import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { dissect, dissectRegex, parseDissectPattern, type DissectPattern } from "../../src/codec/dissect.ts";
import { isLinearTime } from "../../src/codec/pattern.ts";
import { parseStructuredData } from "../../src/codec/syslog/structured-data.ts";
import { StageFailure } from "../../src/core/component.ts";
import { WiretailError } from "../../src/core/error.ts";
import { parseSyslog } from "../../src/stages/parse_syslog/index.ts";
import { eventOf, stageOf } from "../support/stages.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 4, numRuns: 1_000_000 };

function compile(pattern: string): DissectPattern | undefined {
  try {
    return parseDissectPattern(pattern);
  } catch (error) {
    assert.ok(error instanceof WiretailError && error.code === "WT_FORMAT_INVALID", String(error));
    return undefined;
  }
}

it("any dissect pattern is refused or cuts any text, or says why not", () => {
  const piece = fc.constantFrom(
    "%{",
    "}",
    "%{}",
    "%{a}",
    "%{+a/1}",
    "%{b->}",
    "%{c|integer}",
    " ",
    "%",
    "x",
    "->",
    "é",
  );
  const pattern = fc.oneof(
    fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join("")),
    fc.string(),
  );
  fc.assert(
    fc.property(pattern, fc.array(fc.string(), { maxLength: 4 }), (source, texts) => {
      const compiled = compile(source);
      if (compiled === undefined) return;
      for (const text of texts) {
        const values: string[] = [];
        const fault = dissect(compiled, text, values);
        if (fault === undefined) assert.equal(values.length, compiled.keys.length);
        else assert.ok(fault.length > 10);
      }
    }),
    limits,
  );
});

it("the regular expression of a dissect pattern matches only where it gives the same values", () => {
  const delimiter = fc.constantFrom(" ", "  ", ",", "] ", "[", "-", "aa", ":");
  const key = fc.tuple(delimiter, fc.boolean(), fc.constantFrom("", "a", "b", " ", "a-", "]"));
  const text = fc.array(fc.constantFrom(" ", ",", "]", "[", "-", "a", "b", ":", "\n"), { maxLength: 14 });
  let matched = 0;
  fc.assert(
    fc.property(fc.array(key, { minLength: 1, maxLength: 4 }), fc.boolean(), text, (keys, isOpen, rest) => {
      const source =
        keys.map(([before, isPadded], i) => `%{k${i}${isPadded ? "->" : ""}}${before}`).join("") +
        (isOpen ? "%{last}" : "");
      const pattern = compile(source)!;
      const regex = dissectRegex(pattern);
      if (regex === undefined) return;
      assert.ok(isLinearTime(regex), regex);
      const line = keys.map(([before, , value]) => value + before).join("") + rest.join("");
      const match = new RegExp(regex).exec(line);
      if (match === null) return;
      matched++;
      const values: string[] = [];
      assert.equal(dissect(pattern, line, values), undefined, `${source} on ${JSON.stringify(line)}`);
      assert.deepEqual([...match].slice(1), values);
    }),
    limits,
  );
  assert.ok(matched > 50, `${matched} texts matched`);
});

it("any line is syslog or says why not", () => {
  const stage = stageOf(parseSyslog, { zone: "UTC" });
  const piece = fc.constantFrom(
    ...[
      "<34>",
      "<199>",
      "1 ",
      "Oct 11 22:14:15 ",
      "2026-11-20T06:25:01.1Z ",
      "- ",
      "host ",
      "su[1]: ",
      ": ",
      "[a@1",
      " ",
    ],
    ...['x="1"', '"', "\\]", "]", "[", "\ufeff", "é", "\n"],
  );
  const line = fc.oneof(
    fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join("")),
    fc.string(),
  );
  fc.assert(
    fc.property(line, (text) => {
      const event = eventOf(text);
      const before = JSON.stringify(event.toObject());
      const outcome = stage.apply(event);
      if (outcome instanceof StageFailure) assert.equal(JSON.stringify(event.toObject()), before);
      else event.toObject();
    }),
    limits,
  );
  for (const each of ["<34>", "[a@1 ", "[", "\\]", "a", "Oct ", "[x]", " "]) {
    const began = performance.now();
    stage.apply(eventOf("<34>1 - - - - - " + each.repeat(50_000)));
    stage.apply(eventOf("Oct 11 22:14:15 " + each.repeat(50_000)));
    assert.ok(performance.now() - began < 2000, each);
  }
});

it("structured data that is written as RFC 5424 says is read back", () => {
  const name = fc.stringMatching(/^[!#-<>-\\^-~]{1,12}$/);
  const data = fc.dictionary(name, fc.dictionary(name, fc.string({ unit: "binary" }), { maxKeys: 4 }), { minKeys: 1 });
  fc.assert(
    fc.property(data, (object) => {
      const text = Object.entries(object)
        .map(([id, parameters]) => {
          const written = Object.entries(parameters).map(
            ([key, value]) => ` ${key}="${value.replace(/[\\"\]]/g, "\\$&")}"`,
          );
          return `[${id}${written.join("")}]`;
        })
        .join("");
      const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
      assert.deepEqual(plain(parseStructuredData(text)), plain(object));
    }),
    limits,
  );
});
