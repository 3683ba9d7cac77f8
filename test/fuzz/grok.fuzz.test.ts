import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { expandGrok } from "../../src/codec/grok/expand.ts";
import { GROK_PATTERNS } from "../../src/codec/grok/patterns.ts";
import { StageFailure, type Stage } from "../../src/core/component.ts";
import { WiretailError } from "../../src/core/error.ts";
import { parseGrok } from "../../src/stages/parse_grok/index.ts";
import { eventOf, stageOf } from "../support/stages.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 3, numRuns: 1_000_000 };
const NAMES = Object.keys(GROK_PATTERNS);

it("any grok pattern is refused or written out, whatever its definitions", () => {
  const piece = fc.constantFrom(
    "%{",
    "}",
    "%{A}",
    "%{B:x}",
    "%{C:[a][b]:int}",
    "%{INT:y:float}",
    "(",
    ")",
    "|",
    "+",
    "\\",
    "[",
    ":",
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join("")),
    fc.string(),
  );
  const own = fc.dictionary(fc.constantFrom("A", "B", "C", "INT", "__proto__"), text);
  fc.assert(
    fc.property(text, own, (pattern, definitions) => {
      try {
        assert.doesNotMatch(expandGrok(pattern, definitions).source, /%\{[A-Z]+\}/);
        stageOf(parseGrok, { pattern, pattern_definitions: definitions });
      } catch (error) {
        assert.ok(error instanceof WiretailError && error.code === "WT_PATTERN_REFUSED", String(error));
      }
    }),
    limits,
  );
});

const stages = new Map<string, Stage>();

it("any line matches a pattern of shipped names or does not, soon", () => {
  const name = fc.constantFrom(...NAMES);
  const unit = fc.oneof(
    fc.constantFrom("a", "1", ".", ":", "/", "-", " ", '"', "\\", "a.", "1:", "/a", "é"),
    fc.string(),
  );
  fc.assert(
    fc.property(name, name, fc.array(unit, { maxLength: 8 }), fc.nat(400), (first, second, parts, times) => {
      const pattern = `^%{${first}:f} %{${second}:s}$`;
      let stage = stages.get(pattern);
      if (stage === undefined) {
        try {
          stage = stageOf(parseGrok, { pattern });
        } catch (error) {
          // Patterns that give fields of their own twice.
          assert.ok(error instanceof WiretailError, String(error));
          return;
        }
        stages.set(pattern, stage);
      }
      const event = eventOf(parts.join("").repeat(times));
      const began = performance.now();
      const outcome = stage.apply(event);
      if (outcome instanceof StageFailure) assert.ok(outcome.message.length > 5);
      assert.ok(performance.now() - began < 3000, pattern);
    }),
    limits,
  );
});
