import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { KqlSyntaxError } from "../../../src/codec/kql/error.ts";
import { parseKql } from "../../../src/codec/kql/parse.ts";
import { compileGetterPredicate } from "../../../src/codec/kql/predicate.ts";
import { getIn } from "../../../src/core/path.ts";
import { convertSegment } from "../../../src/store/convert.ts";
import { openStore, type StoreReader } from "../../../src/store/search.ts";
import { ndjsonFile } from "../../../src/store/segments.ts";
import { holdsWithin } from "../../support/followed.ts";
import { document, query } from "../../support/kql-arbitraries.ts";

const NOW = Date.parse("2026-11-21T10:05:00Z");
const SECONDS = Number(process.env["WIRETAIL_FUZZ_SECONDS"] ?? 10);

/** Documents as a real source makes them: every field of one type, no literal dots. Such segments are "even". */
const regular = fc.record(
  {
    "@timestamp": fc.constantFrom("2026-11-21T10:00:00.000Z", "2026-11-20T00:00:00.285123Z"),
    a: fc.oneof(fc.integer({ min: -5, max: 500 }), fc.constant(200), fc.constant(null)),
    n: fc.record({ x: fc.record({ y: fc.boolean() }) }),
    message: fc.constantFrom("Connection REFUSED by peer", "Straße", "a_c", "", "10.0.0.1", "a\u0000b"),
    log: fc.record({ level: fc.constantFrom("info", "warn", "error") }),
    source: fc.record({ ip: fc.constantFrom("10.0.0.1", "10.1.2.3", "192.168.1.77", "2001:db8::1", "::1") }),
  },
  { requiredKeys: ["@timestamp"] },
);

test(
  "a store of Parquet and NDJSON segments finds exactly what the predicate takes",
  { timeout: (SECONDS + 90) * 1000 },
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "wiretail-store-"));
    try {
      const documents: Record<string, unknown>[] = [];
      const samples = [
        fc.sample(document, 300),
        fc.sample(regular, 300),
        fc.sample(regular, 300),
        fc.sample(document, 100),
      ];
      for (const [i, sample] of samples.entries()) {
        const numbered = sample.map((each, j) => ({ _id: `${i}-${j}`, ...each }));
        documents.push(...numbered.map((each) => JSON.parse(JSON.stringify(each)) as Record<string, unknown>));
        await writeFile(
          path.join(folder, ndjsonFile(i + 1)),
          numbered.map((each) => JSON.stringify(each) + "\n").join(""),
        );
        if (i === 3) break;
        const options = { folder, sequence: i + 1, compression: "zstd", memoryLimitBytes: 256e6, threads: 1 } as const;
        assert.equal(await convertSegment(options), sample.length);
      }
      const names = await readdir(folder);
      assert.deepEqual(names.map((name) => name.replace(/^(\d+).*?(_even|_uneven)?(_[0-9a-f]{8})?(\.\w+)$/, "$1$2$4")).sort(), [
      "0000000001_uneven.parquet", "0000000002_even.parquet", "0000000003_even.parquet", "0000000004.ndjson",
    ]); // prettier-ignore
      const store = await openStore({ folder, threads: 1 });
      let queries = 0;
      let matches = 0;
      const agrees = async (text: string): Promise<void> => {
        let node;
        try {
          node = parseKql(text);
        } catch (error) {
          assert.ok(error instanceof KqlSyntaxError);
          return;
        }
        const predicate = compileGetterPredicate(node, { now: () => NOW });
        const expected = documents.filter((each) => predicate((at) => getIn(each, at.parts, 0)));
        const selection = { query: node, fromMs: undefined, toMs: undefined, nowMs: NOW };
        const { matched, documents: found } = await store.search(selection, "oldest", 10_000);
        const ids = new Set(found.map(({ json }) => (JSON.parse(json) as { _id: string })._id));
        const wanted = new Set(expected.map((each) => each["_id"] as string));
        const differ = documents.filter((each) => ids.has(each["_id"] as string) !== wanted.has(each["_id"] as string));
        assert.deepEqual(differ, [], text);
        assert.equal(matched, expected.length, text);
        assert.equal(found.length, expected.length, text);
        queries++;
        matches += found.length;
      };
      try {
        await holdsWithin(SECONDS, query, agrees);
      } finally {
        await store.close();
      }
      assert.ok(queries > 10 && matches > queries, `${queries} queries, ${matches} matches`);
      console.log(`# ${queries} queries, ${matches} matches`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

test("top values and histograms work on a store of Parquet alone", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "wiretail-store-"));
  try {
    const documents: Record<string, unknown>[] = fc.sample(regular, 200);
    await writeFile(path.join(folder, ndjsonFile(1)), documents.map((each) => JSON.stringify(each) + "\n").join(""));
    await convertSegment({ folder, sequence: 1, compression: "lz4", memoryLimitBytes: 256e6, threads: 1 });
    const store = await openStore({ folder, threads: 1 });
    try {
      await topIsRight(store, documents);
      const { buckets } = await store.histogram(EVERYTHING);
      assert.equal(
        buckets.reduce((sum, bucket) => sum + bucket.count, 0),
        documents.length,
      );
    } finally {
      await store.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

const EVERYTHING = { query: parseKql(""), fromMs: undefined, toMs: undefined, nowMs: NOW };

/** Compares the counts of a field's values with a count in JavaScript. */
async function topIsRight(store: StoreReader, documents: readonly Record<string, unknown>[]): Promise<void> {
  for (const field of ["log.level", "source.ip", "nowhere"]) {
    const counts = new Map<string | undefined, number>();
    for (const each of documents) {
      const value = getIn(each, field.split("."), 0) as string | undefined;
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const { values, total } = await store.top(EVERYTHING, field, 1_000);
    assert.deepEqual(new Map(values.map(({ value, count }) => [value, count])), counts, field);
    assert.equal(total, documents.length);
  }
}
