import assert from "node:assert/strict";
import { test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import type { KqlNode } from "../../src/codec/kql/ast.ts";
import { KqlSyntaxError } from "../../src/codec/kql/error.ts";
import { parseKql } from "../../src/codec/kql/parse.ts";
import { compileGetterPredicate } from "../../src/codec/kql/predicate.ts";
import { SQL_SETUP, SqlParameters, toSql, type SqlTable } from "../../src/codec/kql/sql.ts";
import { getIn } from "../../src/core/path.ts";
import { holdsWithin } from "../support/followed.ts";
import { document, query } from "../support/kql-arbitraries.ts";

const NOW = Date.parse("2026-11-21T10:05:00Z");
const SECONDS = Number(process.env["WIRETAIL_FUZZ_SECONDS"] ?? 10);
const JSON_TABLE: SqlTable = {
  document: "document",
  timestamp: "CAST(json_extract_string(document, '$.\"@timestamp\"') AS TIMESTAMP)",
  uneven: undefined,
  column: () => undefined,
};

function parseOrSkip(text: string): KqlNode | undefined {
  try {
    return parseKql(text);
  } catch (error) {
    assert.ok(error instanceof KqlSyntaxError);
    return undefined;
  }
}

test("predicate and SQL select the same documents for random queries", { timeout: (SECONDS + 60) * 1000 }, async () => {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  let queries = 0;
  let matches = 0;
  try {
    for (const statement of SQL_SETUP) await connection.run(statement);
    await connection.run("CREATE TABLE documents (i INTEGER, document JSON)");
    const documents = fc.sample(document, 600);
    for (const [i, each] of documents.entries())
      await connection.run("INSERT INTO documents VALUES ($1, $2)", [i, JSON.stringify(each)]);
    const parsed = documents.map((each) => JSON.parse(JSON.stringify(each)) as Record<string, unknown>);
    await holdsWithin(SECONDS, query, async (text) => {
      const node = parseOrSkip(text);
      if (node === undefined) return;
      queries++;
      const predicate = compileGetterPredicate(node, { now: () => NOW });
      const expected = parsed.flatMap((each, i) => (predicate((path) => getIn(each, path.parts, 0)) ? [i] : []));
      const parameters = new SqlParameters();
      const sql = `SELECT i FROM documents WHERE ${toSql(node, JSON_TABLE, parameters, NOW)} ORDER BY i`;
      const rows = (await connection.runAndReadAll(sql, parameters.values)).getRows();
      const found = rows.map((row) => Number(row[0]));
      const differ = [...found.filter((i) => !expected.includes(i)), ...expected.filter((i) => !found.includes(i))];
      assert.deepEqual(
        differ.map((i) => JSON.stringify(parsed[i])),
        [],
        `${text}\n${sql}\n${JSON.stringify(parameters.values)}`,
      );
      matches += found.length;
    });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  assert.ok(queries > 20 && matches > queries, `a test that selects something: ${queries} queries, ${matches} matches`);
  console.log(`# ${queries} queries, ${matches} matches`);
});
