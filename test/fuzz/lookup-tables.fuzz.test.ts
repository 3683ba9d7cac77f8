import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WiretailError } from "../../src/core/error.ts";
import { csvRows } from "../../src/stages/lookup/csv.ts";
import { addressOf, addressRange, indexOf, KEY_KINDS } from "../../src/stages/lookup/key-index.ts";
import { readRows, TABLE_FORMATS, type RowFormat } from "../../src/stages/lookup/rows.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = {
  interruptAfterTimeLimit: FUZZ_MS,
  markInterruptAsFailure: false,
  numRuns: 1_000_000,
  includeErrorInReport: true,
};
const text = fc.string({
  unit: fc.constantFrom(...'a1"",,;:\n\r\t {}[]-./', "é", "\u0000", '{"k":1}', "00:1a:2b:3c:4d:5e", "10.0.0.1"),
  maxLength: 40,
});

test("any text is a table or refused with a reason, in every format and for every kind of key", () => {
  const property = fc.property(
    text,
    fc.constantFrom(...TABLE_FORMATS.filter((format): format is RowFormat => format !== "mmdb")),
    fc.constantFrom(...KEY_KINDS),
    (input, format, kind) => {
      let keys: string[] = [];
      try {
        const { rows, firstColumn } = readRows(input, format, undefined);
        keys = rows.map(({ key, values }) => key ?? JSON.stringify(values[firstColumn ?? "k"] ?? ""));
      } catch (error) {
        assert.ok(error instanceof WiretailError, String(error));
      }
      const index = indexOf(
        kind,
        [...keys, input].map((key) => [key, key]),
      );
      for (const key of [...keys, input]) index.find(key);
    },
  );
  fc.assert(property, limits);
});

test("what is written as CSV is read as it was", () => {
  const field = fc.string({ unit: fc.constantFrom(...'ab1",\n\r ;', "é"), maxLength: 8 });
  const rows = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 6 });
  const property = fc.property(rows, fc.constantFrom("\n", "\r\n"), (table, end) => {
    const written = table.map((row) => row.map((each) => `"${each.replaceAll('"', '""')}"`).join(",") + end).join("");
    assert.deepEqual(csvRows(written, ","), table);
  });
  fc.assert(property, limits);
});

test("an address is in the network made of it, and in no network beside", () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  const property = fc.property(address, fc.nat(128), (one, bits) => {
    const key = addressOf(one);
    assert.ok(key !== undefined, one);
    const prefix = bits % ((key.length - 1) * 4 + 1);
    const range = addressRange(`${one.includes(":") && key.startsWith("4") ? "0.0.0.0" : one}/${prefix}`);
    assert.ok(range !== undefined, one);
    if (one.includes(":") && key.startsWith("4")) return;
    assert.ok(range[0] <= key && key <= range[1]);
    const outside = prefix === 0 ? undefined : flipped(key, prefix - 1);
    if (outside !== undefined) assert.ok(outside < range[0] || outside > range[1]);
  });
  fc.assert(property, limits);
});

/** The address with one bit changed, counted from 0. */
function flipped(key: string, bit: number): string {
  const at = 1 + (bit >> 2);
  const digit = parseInt(key[at]!, 16) ^ (8 >> (bit & 3));
  return key.slice(0, at) + digit.toString(16) + key.slice(at + 1);
}
