import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { CsvParser } from "../../src/codec/csv.ts";
import { KeyValueParser } from "../../src/codec/key-value.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 4, numRuns: 1_000_000 };
const piece = fc.constantFrom(..."ab =,;\"'\\\n\t|".split(""), "==", ", ", "__proto__", "é", "😀", "\\u00e9", "\ud800");
const text = fc.oneof(
  fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join("")),
  fc.string(),
);

it("any text has pairs or says why not, whatever the delimiters", () => {
  const options = fc.record({
    keyValueDelimiter: fc.constantFrom("=", ":", ": ", "->", "a", "=="),
    pairDelimiter: fc.constantFrom(" ", ",", ", ", "&", "\t", "a", "||"),
    quotes: fc.constantFrom("", '"', "\"'", "a"),
    bareWords: fc.constantFrom("true" as const, "skip" as const, "fail" as const),
    duplicates: fc.constantFrom("list" as const, "first" as const, "last" as const),
    emptyValues: fc.constantFrom("keep" as const, "skip" as const),
  });
  fc.assert(
    fc.property(options, fc.array(text, { maxLength: 3 }), (how, texts) => {
      const parser = new KeyValueParser(how);
      for (const each of texts) {
        const found = parser.parse(each);
        assert.deepEqual(new KeyValueParser(how).parse(each), found, "an earlier text changes the result");
        if (typeof found === "string") assert.ok(found.length > 5);
        else JSON.stringify(found);
      }
    }),
    limits,
  );
});

it("pairs that are written as logfmt are read back", () => {
  const value = fc.string({ unit: "binary", maxLength: 12 });
  const pairs = fc.dictionary(fc.stringMatching(/^[a-z_][a-z0-9_.]{0,8}$/), value, { minKeys: 1, maxKeys: 8 });
  const parser = new KeyValueParser({
    ...{ keyValueDelimiter: "=", pairDelimiter: " ", quotes: "\"'" },
    ...{ bareWords: "fail", duplicates: "list", emptyValues: "keep" },
  });
  fc.assert(
    fc.property(pairs, (object) => {
      const line = Object.entries(object)
        .map(([key, each]) => `${key}=${/^[\w.]+$/.test(each) ? each : JSON.stringify(each)}`)
        .join(" ");
      assert.deepEqual(parser.parse(line), { ...object });
    }),
    limits,
  );
});

it("any text is separated values or says why not", () => {
  const options = fc.record({
    delimiter: fc.constantFrom(",", ";", "\t", "||", " ", "ab", '"'),
    quote: fc.constantFrom('"', "'", ""),
    escape: fc.constantFrom("", "\\", '"', "a"),
    trims: fc.boolean(),
  });
  fc.assert(
    fc.property(options, text, (how, line) => {
      const values: string[] = [];
      const fault = new CsvParser(how).parse(line, values);
      if (fault === undefined) assert.ok(values.length > 0 && values.every((value) => typeof value === "string"));
      else assert.match(fault, /value \d+ at character \d+/);
      // Without quotes and escapes it is a split.
      if (how.quote === "" && how.escape === "" && !how.trims) assert.deepEqual(values, line.split(how.delimiter));
    }),
    limits,
  );
});

it("values that are written as RFC 4180 says are read back", () => {
  const parser = new CsvParser({ delimiter: ",", quote: '"', escape: "", trims: false });
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), (row) => {
      const line = row.map((value) => (/[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(",");
      const values: string[] = [];
      assert.equal(parser.parse(line, values), undefined);
      assert.deepEqual(values, row);
    }),
    limits,
  );
});
