import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KqlSyntaxError, pointAtFault } from "../../src/codec/kql/error.ts";
import { parseKql } from "../../src/codec/kql/parse.ts";
import { compileGetterPredicate } from "../../src/codec/kql/predicate.ts";
import { SqlParameters, toSql } from "../../src/codec/kql/sql.ts";
import { getIn } from "../../src/core/path.ts";
import { document, query } from "../support/kql-arbitraries.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const TOKENS = [
  "and",
  "or",
  "not",
  "(",
  ")",
  ":",
  "<",
  ">=",
  '"',
  "\\",
  "*",
  "{",
  "}",
  "=",
  "'",
  "/",
  "[",
  " TO ",
  "]",
  " ",
  "a",
  "b.c",
  "@timestamp",
  "now-1d/d",
  "10.0.0.0/8",
  "&&",
  "\n",
  "😀",
];
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.array(fc.constantFrom(...TOKENS), { maxLength: 30 }).map((tokens) => tokens.join("")),
  fc.array(fc.constantFrom(...TOKENS), { maxLength: 30 }).map((tokens) => tokens.join(" ")),
  query,
);

test("any text is a query or a KqlSyntaxError, and a query compiles and never throws", () => {
  fc.assert(
    fc.property(text, document, (input, event) => {
      let node;
      try {
        node = parseKql(input);
      } catch (error) {
        assert.ok(error instanceof KqlSyntaxError, String(error));
        assert.ok(error.position >= 0 && error.position <= input.length);
        pointAtFault(input, error);
        return;
      }
      const predicate = compileGetterPredicate(node, { now: () => 0 });
      assert.equal(typeof predicate((path) => getIn(event, path.parts, 0)), "boolean");
      const table = { document: "d", timestamp: "t", uneven: undefined, column: () => undefined };
      const parameters = new SqlParameters();
      const sql = toSql(node, table, parameters, 0);
      assert.ok(!sql.includes("\u0000") && parameters.values.every((value) => typeof value === "string"));
    }),
    {
      numRuns: 10_000_000,
      interruptAfterTimeLimit: FUZZ_MS,
      markInterruptAsFailure: false,
      includeErrorInReport: true,
    },
  );
});

test("a long query takes time in proportion to its length", () => {
  for (const part of ["(", "a ", "a: b or ", '"', "\\\\", "not ", "*", "a:(", "= ", "' ", "a: /x", "é"]) {
    const started = performance.now();
    try {
      parseKql(part.repeat(50_000));
    } catch (error) {
      assert.ok(error instanceof KqlSyntaxError, String(error));
    }
    assert.ok(performance.now() - started < 3_000, `${JSON.stringify(part)} took ${performance.now() - started} ms`);
  }
});
