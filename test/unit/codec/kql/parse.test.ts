import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KqlNode } from "../../../../src/codec/kql/ast.ts";
import { KqlSyntaxError, pointAtFault } from "../../../../src/codec/kql/error.ts";
import { parseKql } from "../../../../src/codec/kql/parse.ts";

/** A tree as a compact text, so that a test fits on a line. */
function show(node: KqlNode): string {
  switch (node.kind) {
    case "and":
    case "or":
      return `(${node.nodes.map(show).join(` ${node.kind} `)})`;
    case "not":
      return `!${show(node.node)}`;
    case "exists":
      return `${node.field}?`;
    case "is":
    case "text":
      return `${node.kind === "is" ? `${node.field}=` : ""}${node.value.quoted ? "q" : ""}${JSON.stringify(node.value.pieces ?? node.value.text)}`;
    case "compare":
      return `${node.field}${node.operator}${node.value}`;
    case "all":
      return "all";
  }
}
const parsed = (query: string): string => show(parseKql(query));
function fault(query: string): KqlSyntaxError {
  try {
    parseKql(query);
  } catch (error) {
    assert.ok(error instanceof KqlSyntaxError, `not a KqlSyntaxError: ${String(error)}`);
    return error;
  }
  assert.fail(`parsed: ${query} -> ${parsed(query)}`);
}

describe("parseKql", () => {
  const trees: [query: string, tree: string][] = [
    ["", "all"],
    ["  ", "all"],
    ["*", "all"],
    ["*: *", "all"],
    ["foo", '"foo"'],
    ["connection refused", '"connection refused"'],
    ['"connection refused"', 'q"connection refused"'],
    ["message: connection refused", 'message="connection refused"'],
    ["a: 1", 'a="1"'],
    ["a:1", 'a="1"'],
    ["a : 1", 'a="1"'],
    ['"my field": "x y"', 'my field=q"x y"'],
    ["a: 1 and b: 2 or c: 3", '((a="1" and b="2") or c="3")'],
    ["a: 1 or b: 2 and c: 3", '(a="1" or (b="2" and c="3"))'],
    ["a: 1 AND b: 2 And c: 3", '(a="1" and b="2" and c="3")'],
    ["(a: 1 or b: 2) and c: 3", '((a="1" or b="2") and c="3")'],
    ["not a: 1 and b: 2", '(!a="1" and b="2")'],
    ["NOT (a: 1 or b: 2)", '!(a="1" or b="2")'],
    ["not(a: 1)and(b: 2)", '(!a="1" and b="2")'],
    ["not not a: 1", 'a="1"'],
    ["a: (1 or 2)", '(a="1" or a="2")'],
    ["a: (x y and not z)", '(a="x y" and !a="z")'],
    ["a: (x and (y or not (z)))", '(a="x" and (a="y" or !a="z"))'],
    ["a: *", "a?"],
    ["a: **", "a?"],
    ["a: (* and not b*)", '(a? and !a=["b",""])'],
    ["not a: *", "!a?"],
    ["a: foo*bar", 'a=["foo","bar"]'],
    ['a: "foo*bar"', 'a=q"foo*bar"'],
    ["a: foo\\*bar", 'a="foo*bar"'],
    ["a: foo\\*b*r", 'a=["foo*b","r"]'],
    ["foo* bar", '["foo"," bar"]'],
    ["a > 5", "a>5"],
    ["a>=5 and b<2", "(a>=5 and b<2)"],
    ["a <= -1.5e3", "a<=-1.5e3"],
    ['@timestamp >= "2026-11-21T10:00"', "@timestamp>=2026-11-21T10:00"],
    ["@timestamp >= now-15m and @timestamp < now/d", "(@timestamp>=now-15m and @timestamp<now/d)"],
    ["a: foo\\:bar\\(x\\)", 'a="foo:bar(x)"'],
    ["a: C\\:\\\\Windows", 'a="C:\\\\Windows"'],
    ['a: "C:\\Windows \\"x\\""', 'a=q"C:\\\\Windows \\"x\\""'],
    ['a: "tab\\there\\u00e9"', 'a=q"tab\\thereé"'],
    ["a: x\\ty", 'a="x\\ty"'],
    ["a: \\and b", 'a="and b"'],
    ["black \\or white", '"black or white"'],
    ["cannot open android store", '"cannot open android store"'],
    ["oracle and notice", '("oracle" and "notice")'],
    ["url.path: /api/v1/users", 'url.path="/api/v1/users"'],
    ["url.path: /api/*/users", 'url.path=["/api/","/users"]'],
    ["level=error", '"level=error"'],
    ["source.ip: 10.0.0.0/8", 'source.ip="10.0.0.0/8"'],
    ["a:1\nand\tb:2", '(a="1" and b="2")'],
    ["don't panic", '"don\'t panic"'],
  ];
  for (const [query, tree] of trees) it(`reads ${JSON.stringify(query)}`, () => assert.equal(parsed(query), tree));

  const faults: [query: string, column: number, message: RegExp, fix?: string][] = [
    ["status = 200", 8, /"=" is not a KQL operator/, "status: 200"],
    ["http.status=200", 12, /"="/, "http.status: 200"],
    ["status != 200", 8, /"!="/, "not status: 200"],
    ["a: 1 and status == 'x'", 17, /"=="/, 'a: 1 and status: "x"'],
    ["user: 'root'", 7, /double quotes/, 'user: "root"'],
    ["'connection refused'", 1, /double quotes/, '"connection refused"'],
    ["url.path: /ad.*min/", 11, /regular expression/],
    ["bytes: [1 TO 5]", 8, /Lucene/, "bytes >= 1 and bytes <= 5"],
    ["bytes: {1 TO 5]", 8, /nested|Lucene/],
    ["_exists_: foo", 1, /Lucene/],
    ['a: "foo', 4, /never closed/, 'a: "foo"'],
    ["(a: 1 or b: 2", 1, /never closed/, "(a: 1 or b: 2)"],
    ["a: 1)", 5, /without a "\("/, "a: 1"],
    ["a: (1 or 2", 4, /never closed/, "a: (1 or 2)"],
    ["a:", 3, /expected a value/],
    ["a: and b: 1", 4, /expected a value/],
    ["a: 1 and", 9, /end of the query/],
    ["and a: 1", 1, /found "and"/],
    ["a: 1 or or b: 2", 9, /found "or"/],
    ["do not enter", 4, /found "not"/],
    ["()", 2, /nothing inside/],
    ["a: ()", 5, /nothing inside/],
    ["status: 200 host: x", 13, /expected and, or/, "status: 200 and host: x"],
    ["foo bar: baz", 5, /expected and, or/, "foo and bar: baz"],
    ["source.ip: fe80::1", 16, /in quotes/, 'source.ip: "fe80::1"'],
    ["@timestamp >= 2026-11-21T10:00", 28, /in quotes/, '@timestamp >= "2026-11-21T10:00"'],
    ["@timestamp >= soon", 15, /not a time/],
    ["@timestamp: (today or soon)", 23, /not a time/],
    ["a: >= 5", 4, /no colon/, "a >= 5"],
    ["a && b", 3, /"&&"/, "a and b"],
    ["a: 1 (b: 2)", 6, /expected and, or/, "a: 1 and (b: 2)"],
    ["items: { name: x }", 8, /nested/],
    ["http.*: x", 1, /wildcards in field names/],
    ["*: x", 1, /wildcard/],
    ["a >= 5*", 6, /wildcard/],
    ["a: \\d", 4, /not an escape/],
    [": x", 1, /found ":"/],
    ["a: }", 4, /found "}"/],
  ];
  for (const [query, column, message, fix] of faults) {
    it(`explains ${JSON.stringify(query)}`, () => {
      const error = fault(query);
      assert.equal(error.code, "WT_KQL_SYNTAX");
      assert.match(error.message, message);
      assert.equal(error.position + 1, column, error.message);
      assert.ok(error.message.includes(`column ${column}`));
      if (fix === undefined) return;
      assert.equal(error.fix, fix);
      assert.doesNotThrow(() => parseKql(fix), "the fix parses");
    });
  }

  it("bounds the depth of parentheses instead of overflowing the stack", () => {
    assert.match(fault("(".repeat(100_000)).message, /parentheses inside each other/);
    assert.equal(parsed(`${"(".repeat(90)}a: 1${")".repeat(90)}`), 'a="1"');
    assert.equal(parsed(`${"not ".repeat(100_000)}a: 1`), 'a="1"');
  });

  it("points at the fault below the query", () => {
    assert.equal(pointAtFault("status = 200", fault("status = 200")), "  status = 200\n         ^");
    const long = `${"x".repeat(300)} = 1`;
    const [line, caret] = pointAtFault(long, fault(long)).split("\n");
    assert.equal(line![caret!.length - 1], "=");
  });
});
