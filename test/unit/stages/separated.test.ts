import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseCsv } from "../../../src/stages/parse_csv/index.ts";
import { parseKv } from "../../../src/stages/parse_kv/index.ts";
import { outcomeOf, stageOf } from "../../support/stages.ts";

const kv = (text: string, options: Record<string, unknown> = {}): unknown => outcomeOf(parseKv, options, text);
const csv = (text: string, options: Record<string, unknown> = {}): unknown => outcomeOf(parseCsv, options, text);

describe("parse_kv", () => {
  it("reads lines as Go's and Heroku's programs write them", () => {
    assert.deepEqual(
      kv('time="2015-03-26T01:27:38-04:00" level=debug msg="Started observing beach" animal=walrus number=8'),
      {
        time: "2015-03-26T01:27:38-04:00",
        level: "debug",
        msg: "Started observing beach",
        animal: "walrus",
        number: "8",
      },
    );
    assert.deepEqual(
      kv(
        'at=error code=H12 desc="Request timeout" method=GET path=/ host=myapp.herokuapp.com fwd="17.17.17.17" dyno=web.1 connect=6ms service=30001ms status=503 bytes=0',
      ),
      {
        at: "error",
        code: "H12",
        desc: "Request timeout",
        method: "GET",
        path: "/",
        fwd: "17.17.17.17",
        dyno: "web.1",
        connect: "6ms",
        service: "30001ms",
        status: "503",
        bytes: "0",
      },
    );
  });

  it("reads what Linux's packet filter logs: empty values and flags", () => {
    assert.deepEqual(
      kv("IN=eth0 OUT= MAC=00:50:56:f5 SRC=192.0.2.7 LEN=52 DF PROTO=TCP SPT=22 SYN URGP=0", {
        target: "iptables",
        types: { SPT: "integer", SRC: "ip" },
      }),
      {
        iptables: {
          ...{ IN: "eth0", MAC: "00:50:56:f5", SRC: "192.0.2.7", LEN: "52", DF: true, PROTO: "TCP", SPT: 22 },
          ...{ SYN: true, URGP: "0" },
        },
      },
    );
  });

  it("undoes escapes in quotes, and takes quotes that are none as text", () => {
    assert.deepEqual(kv('a="x \\"y\\" \\n \\u00e9 \\\\" b=\'it is\' c=don\'t d="half e=1'), {
      a: 'x "y" \n é \\',
      b: "it is",
      c: "don't",
      d: '"half',
      e: "1",
    });
    assert.deepEqual(kv('"a key"="a value" b="x"y'), { "a key": "a value", b: '"x"y' });
    assert.deepEqual(kv('a=b="c d"'), { a: 'b="c', 'd"': true });
    assert.deepEqual(kv('a="x y"', { quotes: "" }), { a: '"x', 'y"': true });
  });

  it("takes other delimiters, with spaces around pairs", () => {
    assert.deepEqual(kv("user: ada lovelace; id: 7 ;; admin", { key_value_delimiter: ":", pair_delimiter: ";" }), {
      user: "ada lovelace",
      id: "7",
      admin: true,
    });
    assert.deepEqual(kv("a=1, b=two words, c=3", { pair_delimiter: ", " }), { a: "1", b: "two words", c: "3" });
    assert.deepEqual(kv("a=1\tb=x y\tc=", { pair_delimiter: "\t", empty_values: "keep" }), { a: "1", b: "x y", c: "" });
    assert.deepEqual(kv("a->b c->d", { key_value_delimiter: "->" }), { a: "b", c: "d" });
  });

  it("does with keys that are there again, and with bare words, what the options say", () => {
    assert.deepEqual(kv("a=1 a=2 a=3"), { a: ["1", "2", "3"] });
    assert.deepEqual(kv("a=1 a=2 a=3", { duplicates: "first" }), { a: "1" });
    assert.deepEqual(kv("a=1 a=2 a=3", { duplicates: "last" }), { a: "3" });
    assert.deepEqual(kv("a=1 a=2", { types: { a: "integer" } }), { a: [1, 2] });
    assert.deepEqual(kv("hello a=1 world", { bare_words: "skip" }), { a: "1" });
    assert.equal(kv("hello a=1", { bare_words: "fail" }), '"hello" at character 1 has no value');
    assert.equal(kv('a=1 "two words"', { bare_words: "fail" }), '"two words" at character 5 has no value');
  });

  it("says why a text is none", () => {
    assert.equal(kv("Server listening on port 80"), 'has no pair with "=" between key and value');
    assert.equal(kv(""), 'has no pair with "=" between key and value');
    assert.equal(kv("a=1 == b"), 'there is no key before "=" at character 5');
    assert.equal(kv("a=x", { types: { a: "integer" } }), 'a: "x" is not of type integer');
  });

  it("keeps names that objects have anyway as plain fields", () => {
    const fields = kv("__proto__=1 constructor=2 toString=3 toString=4") as Record<string, unknown>;
    assert.deepEqual(Object.entries(fields), [
      ["__proto__", "1"],
      ["constructor", "2"],
      ["toString", ["3", "4"]],
    ]);
  });

  it("needs time in proportion to the text", () => {
    for (const piece of ['"a ', "'", 'a="x ', "= ", '"\\" ', "a ", "a=", "\"a'b "]) {
      const began = performance.now();
      kv(piece.repeat(300_000 / piece.length), { pair_delimiter: piece.includes(" ") ? " " : "&" });
      assert.ok(performance.now() - began < 2000, piece);
    }
  });

  it("puts the pairs where the target says, also into the field that they were read from", () => {
    assert.deepEqual(outcomeOf(parseKv, { target: "message" }, "a=1"), { message: { a: "1" } });
    assert.deepEqual(outcomeOf(parseKv, { target: "message.kv", keep_original: true }, "a=1"), {
      message: { kv: { a: "1" } },
      event: { original: "a=1" },
    });
    assert.deepEqual(outcomeOf(parseKv, { target: "event", keep_original: true }, "a=1"), {
      event: { a: "1", original: "a=1" },
    });
    assert.equal(
      outcomeOf(parseKv, { target: "a.b" }, { message: "a=1", a: 7 }),
      "cannot set a.b: a field above it holds a value that is not an object",
    );
  });
});

describe("parse_csv", () => {
  const columns = ["a", "b", "c"];

  it("reads quoted values as RFC 4180 says", () => {
    assert.deepEqual(csv('"x, y","say ""hi""",', { columns, null_values: [] }), { a: "x, y", b: 'say "hi"', c: "" });
    assert.deepEqual(csv('1,"two\nlines",3', { columns }), { a: "1", b: "two\nlines", c: "3" });
    assert.deepEqual(csv('"",x"y"z,3', { columns }), { b: 'x"y"z', c: "3" });
  });

  it("says what is not well formed, and where", () => {
    assert.equal(csv('1,"2', { columns }), "the quote of value 2 at character 3 is not closed");
    assert.equal(csv('1,"2"3,4', { columns }), "has text behind the closing quote of value 2 at character 6");
    assert.equal(csv("1,2", { columns }), "has 2 values for 3 columns");
    assert.equal(csv("1,2,3,4", { columns }), "has 4 values for 3 columns");
    assert.equal(csv("1,x,3", { columns, types: { b: "integer" } }), 'b: "x" is not of type integer');
  });

  it("takes short and long lines where it is told to", () => {
    assert.deepEqual(csv("1,2", { columns, strict: false }), { a: "1", b: "2" });
    assert.deepEqual(csv("1,2,3,4", { columns, strict: false }), { a: "1", b: "2", c: "3" });
  });

  it("takes other delimiters, escapes and white space", () => {
    assert.deepEqual(csv("1;2\\;2;3", { columns, delimiter: ";", escape: "\\" }), { a: "1", b: "2;2", c: "3" });
    assert.deepEqual(csv('"a\\"b",2\\\\,\\', { columns, escape: "\\" }), { a: 'a"b', b: "2\\", c: "\\" });
    assert.deepEqual(csv(' 1 , " 2 " ,3', { columns, trim: true }), { a: "1", b: " 2 ", c: "3" });
    assert.deepEqual(csv("1||2||3", { columns, delimiter: "||" }), { a: "1", b: "2", c: "3" });
    assert.deepEqual(csv("'1,1',NULL,-", { columns, quote: "'", null_values: ["NULL", "-"] }), { a: "1,1" });
  });

  it("takes the fields from the header, and leaves header lines out", () => {
    const options = { header: "id, name", delimiter: "," };
    assert.equal(csv("id, name", options), "dropped");
    assert.deepEqual(csv("7,ada", options), { id: "7", name: "ada" });
  });

  it("refuses options that make no sense", () => {
    assert.throws(() => stageOf(parseCsv, {}), /needs columns/);
    assert.throws(() => stageOf(parseCsv, { columns: ["a", "a.b"] }), /a and a\.b overlap/);
    assert.throws(() => stageOf(parseCsv, { columns, types: { d: "ip" } }), /"d" is not among the columns/);
    assert.throws(() => stageOf(parseCsv, { header: 'a,"b' }), /header: the quote of value 2/);
  });
});
