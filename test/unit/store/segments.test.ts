import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chooseColumns, columnsHash } from "../../../src/store/columns.ts";
import { bucketWidth, formatWidth } from "../../../src/store/histogram.ts";
import { ndjsonFile, parquetFile, sortNames } from "../../../src/store/segments.ts";
import { strictJson } from "../../../src/store/strict-json.ts";

describe("names in a store's folder", () => {
  const closed = parquetFile({
    sequence: 3,
    fromMs: -5,
    toMs: 1_795_255_200_000,
    rows: 10,
    isEven: true,
    columnsHash: "0123abcd",
  });

  test("a Parquet name says what is inside and is read back", () => {
    const { parquet } = sortNames([closed, "README", "0000000001.parquet.bak"]);
    assert.deepEqual(parquet, [
      {
        file: closed,
        sequence: 3,
        fromMs: -5,
        toMs: 1_795_255_200_000,
        rows: 10,
        isEven: true,
        columnsHash: "0123abcd",
      },
    ]);
  });

  test("the Parquet file counts where the NDJSON file of its number is still there", () => {
    const listing = sortNames([ndjsonFile(3), closed, ndjsonFile(4), "0000000004.parquet.tmp", "tmp-4"]);
    assert.deepEqual(
      listing.ndjson.map((name) => name.sequence),
      [4],
    );
    assert.deepEqual([...listing.leftovers].sort(), [ndjsonFile(3), "0000000004.parquet.tmp", "tmp-4"].sort());
  });
});

describe("columns", () => {
  test("fields of one type become columns, mixed ones, arrays and dotted keys do not", () => {
    const columns = chooseColumns([
      { _id: "1", "@timestamp": "t", message: "m", a: { b: 1 }, mixed: 1, tags: ["x"], "d.e": 1, ok: true, f: 1 },
      { a: { b: 2 }, mixed: "x", ok: false, f: 1.5, OK: true },
    ]);
    assert.deepEqual(
      columns.map((c) => `${c.field} ${c.type}`),
      ["message VARCHAR", "a.b BIGINT", "f DOUBLE", "ok BOOLEAN"],
    );
    assert.match(columnsHash(columns), /^[0-9a-f]{8}$/);
  });
});

describe("strictJson", () => {
  const fixed = (text: string): string => strictJson(Buffer.from(text)).toString();
  test("halves of surrogate pairs are replaced, pairs and escaped backslashes stay", () => {
    assert.equal(
      fixed('{"a":"\\ud800 \\ud83d\\ude00 \\\\ud800 \\udc00"}'),
      '{"a":"\\ufffd \\ud83d\\ude00 \\\\ud800 \\ufffd"}',
    );
  });
  test("bytes without them are not copied", () => {
    const bytes = Buffer.from('{"a":"\\u00e9"}');
    assert.equal(strictJson(bytes), bytes);
  });
});

describe("bucketWidth", () => {
  test("a stretch of time has 40 to 120 round buckets", () => {
    for (let spanMs = 120; spanMs < 5e12; spanMs *= 1.3) {
      const buckets = spanMs / bucketWidth(spanMs);
      assert.ok(buckets <= 120 && buckets >= 40, `${spanMs} ms: ${buckets}`);
    }
    assert.equal(formatWidth(90 * 60_000), "90 min");
  });
});
