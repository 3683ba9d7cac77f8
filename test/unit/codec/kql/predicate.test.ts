import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseKql } from "../../../../src/codec/kql/parse.ts";
import { compileGetterPredicate, compilePredicate } from "../../../../src/codec/kql/predicate.ts";
import { LogEvent } from "../../../../src/core/event.ts";
import { getIn, Path } from "../../../../src/core/path.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");

function event(document: Record<string, unknown>): LogEvent {
  const made = new LogEvent("", NOW, 0, {
    paths: [new Path("host.name")],
    values: ["web-1"],
    offsetPath: new Path("log.offset"),
  });
  made.setTopLevel("message", undefined);
  for (const [key, value] of Object.entries(document)) made.setTopLevel(key, value);
  return made;
}

/** Both forms of the predicate must say the same. */
function matches(query: string, document: Record<string, unknown>): boolean {
  const node = parseKql(query);
  const options = { now: () => NOW };
  const one = event(document);
  const asEvent = compilePredicate(node, options)(one);
  const object = one.toObject();
  assert.equal(
    compileGetterPredicate(node, options)((path) => getIn(object, path.parts, 0)),
    asEvent,
    "event and object differ",
  );
  return asEvent;
}

describe("compilePredicate", () => {
  const cases: [promise: string, query: string, hits: Record<string, unknown>[], misses: Record<string, unknown>[]][] =
    [
      [
        "a bare value is found anywhere in message in any case",
        "refused",
        [{ message: "Connection REFUSED by peer" }],
        [{ message: "ok" }, { other: "refused" }, {}],
      ],
      [
        "several words are one text",
        "connection refused",
        [{ message: "connection refused" }],
        [{ message: "refused connection" }],
      ],
      [
        "message takes wildcards inside its text",
        "message: conn*refused",
        [{ message: "a CONNECTION was\nrefused!" }],
        [{ message: "refused conn" }],
      ],
      [
        "case folding reaches beyond ASCII",
        "message: STRASSE ÉTÉ ΣΊΣΥΦΟΣ",
        [{ message: "strasse été σίσυφος" }],
        [{ message: "straße été σίσυφος" }],
      ],
      [
        "the Kelvin sign is a k and a long s is an s",
        "kelvins",
        [{ message: "\u212aelvin\u017f" }],
        [{ message: "elvin" }],
      ],
      ["punctuation is literal", 'message: "a.b[c]+(d)?"', [{ message: "xA.B[C]+(D)?" }], [{ message: "aXb[c]+(d)?" }]],
      [
        "other fields match as a whole and in their case",
        "user.name: Root",
        [{ user: { name: "Root" } }],
        [{ user: { name: "root" } }, { user: { name: "Root " } }],
      ],
      [
        "a literal dotted key is found by the same name",
        "user.name: x",
        [{ "user.name": "x" }, { user: { name: "x" } }],
        [{ user: "x" }],
      ],
      [
        "a wildcard stands for any text",
        "user.name: r*t",
        [{ user: { name: "root" } }, { user: { name: "rt" } }],
        [{ user: { name: "roots" } }, { user: { name: "r" } }],
      ],
      ["pieces around wildcards do not overlap", "a: ab*ba", [{ a: "abba" }, { a: "ab--ba" }], [{ a: "aba" }]],
      ["middle pieces come in order", "a: *x*y*", [{ a: "x y" }], [{ a: "y x" }]],
      [
        "numbers compare as numbers",
        "status: 200",
        [{ status: 200 }, { status: "200" }, { status: 2e2 }],
        [{ status: 2000 }, { status: "200.0" }, { status: true }],
      ],
      [
        "a wildcard sees the digits of an integer",
        "status: 4*",
        [{ status: 404 }, { status: "4xx" }],
        [{ status: 504 }, { status: 4.5 }],
      ],
      ["booleans match their words", "ok: true", [{ ok: true }, { ok: "true" }], [{ ok: false }, { ok: 1 }]],
      [
        "any element of an array will do",
        "tags: b",
        [{ tags: ["a", "b"] }],
        [{ tags: ["ab"] }, { tags: [] }, { tags: [["b"]] }],
      ],
      ["a missing field never matches", "a: x", [{ a: "x" }], [{}, { a: null }, { a: {} }]],
      ["not is true for a missing field", "not a: x", [{}, { a: "y" }, { a: null }], [{ a: "x" }]],
      [
        "a field exists unless it is null or empty",
        "a: *",
        [{ a: "" }, { a: 0 }, { a: false }, { a: [null, 1] }, { a: { b: 1 } }],
        [{}, { a: null }, { a: [] }, { a: [null] }, { a: {} }],
      ],
      [
        "ranges compare numbers, in text too",
        "bytes > 500",
        [{ bytes: 501 }, { bytes: "1000" }, { bytes: [1, 600] }],
        [{ bytes: 500 }, { bytes: "99" }, { bytes: "x" }, {}],
      ],
      [
        "ranges of words go by code point",
        'name >= "m"',
        [{ name: "m" }, { name: "z" }, { name: "é" }],
        [{ name: "a" }, { name: 5 }],
      ],
      [
        "ranges of times compare times",
        'event.start >= "2026-11-21T10:00:00Z"',
        [{ event: { start: "2026-11-21T10:00:00.5Z" } }],
        [{ event: { start: "2026-11-21T09:59:59.999Z" } }, { event: { start: "soon" } }],
      ],
      [
        "an IPv4 network holds its addresses",
        "source.ip: 10.16.0.0/12",
        [{ source: { ip: "10.16.0.1" } }, { source: { ip: "10.31.255.255" } }],
        [{ source: { ip: "10.32.0.1" } }, { source: { ip: "10.16.0" } }, { source: { ip: "10.16.0.256" } }],
      ],
      [
        "an IPv6 network holds its addresses in every spelling",
        'source.ip: "2001:db8::/33"',
        [{ source: { ip: "2001:DB8::1" } }, { source: { ip: "2001:0db8:7fff:0:0:0:0:1" } }],
        [{ source: { ip: "2001:db8:8000::1" } }, { source: { ip: "10.0.0.1" } }, { source: { ip: "2001:db8:::1" } }],
      ],
      ["fields of the envelope count", "host.name: web-1 and log.offset: 0", [{}], [{ host: { name: "db-1" } }]],
      [
        "and, or, not combine",
        "a: 1 and (b: 2 or not c: 3)",
        [{ a: 1, b: 2, c: 3 }, { a: 1 }],
        [{ a: 1, c: 3 }, { b: 2 }],
      ],
      ["the empty query matches everything", "", [{}, { a: 1 }], []],
    ];
  for (const [promise, query, hits, misses] of cases) {
    it(promise, () => {
      for (const hit of hits) assert.equal(matches(query, hit), true, `${query} should match ${JSON.stringify(hit)}`);
      for (const miss of misses)
        assert.equal(matches(query, miss), false, `${query} should not match ${JSON.stringify(miss)}`);
    });
  }

  it("a date in @timestamp stands for the whole day", () => {
    const at = (time: string, query: string): boolean => matches(query, { "@timestamp": time });
    assert.equal(at("2026-11-21T23:59:59.999Z", '@timestamp: "2026-11-21"'), true);
    assert.equal(at("2026-11-22T00:00:00Z", '@timestamp: "2026-11-21"'), false);
    assert.equal(at("2026-11-21T23:00:00Z", "@timestamp <= 2026-11-21"), true);
    assert.equal(at("2026-11-21T23:00:00Z", "@timestamp > 2026-11-21"), false);
    assert.equal(at("2026-11-22T00:00:00Z", "@timestamp > 2026-11-21"), true);
    assert.equal(at("2026-11-20T23:59:59.999Z", "@timestamp >= 2026-11-21"), false);
  });

  it("a relative time moves with the clock", () => {
    let now = NOW;
    const recent = compilePredicate(parseKql("@timestamp >= now-15m"), { now: () => now });
    const one = event({ "@timestamp": "2026-11-21T11:50:00Z" });
    assert.equal(recent(one), true);
    now += 10 * 60_000;
    assert.equal(recent(one), false);
  });
});
