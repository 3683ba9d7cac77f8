import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isLinearTime } from "../../../src/codec/pattern.ts";
import type { LogEvent } from "../../../src/core/event.ts";
import { Path } from "../../../src/core/path.ts";
import { redact } from "../../../src/stages/redact/index.ts";
import { namedFinder, PATTERN_NAMES } from "../../../src/stages/redact/named-patterns.ts";
import { eventOf, stageOf } from "../../support/stages.ts";

type Options = Record<string, unknown>;

function redacted(options: Options, input: string | Options): LogEvent {
  const event = eventOf(input);
  assert.equal(stageOf(redact, options).apply(event), undefined);
  return event;
}
function text(options: Options, message: string): unknown {
  return redacted(options, message).toObject()["message"];
}

/** What each pattern makes of a text, `#` being what is redacted. */
const ROWS: readonly (readonly [pattern: (typeof PATTERN_NAMES)[number], before: string, after: string])[] = [
  ["email", "from ada.l+x@mail.example.com, to <o'neil@x.ie>.", "from #, to <#>."],
  ["email", "a@b and user@localhost and @home", "a@b and user@localhost and @home"],
  ["credit_card", "4111111111111111 378282246310005 5500-0000-0000-0004", "# # #"],
  ["credit_card", "4111111111111112", "4111111111111112"],
  [
    "credit_card",
    "epoch 1763719200000 ns 1763719200000000000 id 94111111111111111",
    "epoch 1763719200000 ns 1763719200000000000 id 94111111111111111",
  ],
  ["credit_card", "took 5 4111 1111 1111 1111 ms", "took 5 # ms"],
  [
    "ip",
    "10.0.0.1:80 [2001:db8::1]:443 ::ffff:10.0.0.7 fe80::1. ip:10.0.0.9 ip:fe80::7",
    "#:80 [#]:443 # #. ip:# ip:#",
  ],
  [
    "ip",
    "from 192.0.2.1: hi; version 1.2.3.4.5 at 12:34:56 std::string x::y 999.1.1.1",
    "from #: hi; version 1.2.3.4.5 at 12:34:56 std::string x::y 999.1.1.1",
  ],
  [
    "bearer_token",
    "Authorization: Bearer abc.DEF-123_~+/== x, bearer of news",
    "Authorization: Bearer # x, bearer of news",
  ],
  [
    "basic_auth",
    "Authorization: Basic YWRhOnNlY3JldA== and basic authentication",
    "Authorization: Basic # and basic authentication",
  ],
  ["jwt", "t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end", "t=# end"],
  ["aws_access_key", "AKIAIOSFODNN7EXAMPLE AKIAshort", "# AKIAshort"],
  ["url_password", "postgres://ada:s3cret@db:5432/x http://h:80/p@q", "postgres://ada:#@db:5432/x http://h:80/p@q"],
  [
    "assigned_secret",
    'password=x1&user=ada token: "abc" {"api_key":"k","pwd": "z"}',
    'password=#&user=ada token: "#" {"api_key":"#","pwd": "#"}',
  ],
  ["private_key", "a -----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- b", "a # b"],
  ["mac", "00:1A:2b:3c:4d:5E 00-1a-2b-3c-4d-5e 00:11:22:33:44:55:66", "# # 00:11:22:33:44:55:66"],
  ["iban", "IBAN GB82 WEST 1234 5698 7654 32 to DE89370400440532013000.", "IBAN # to #."],
  ["iban", "GB82 WEST 1234 5698 7654 33", "GB82 WEST 1234 5698 7654 33"],
  ["us_ssn", "123-45-6789 000-12-3456 123-45-67890 2026-11-21", "# 000-12-3456 123-45-67890 2026-11-21"],
];

describe("redact", () => {
  for (const [pattern, before, after] of ROWS) {
    it(`finds by ${pattern} what is in ${JSON.stringify(before.slice(0, 50))}`, () => {
      assert.equal(text({ patterns: [pattern], replacement: "#" }, before), after);
    });
  }

  it("has no named pattern that may take exponential time", () => {
    for (const name of PATTERN_NAMES) assert.ok(isLinearTime(namedFinder(name).regex.source), name);
  });

  it("ends soon on long texts that nearly match", () => {
    const hostile = [
      "a".repeat(50_000),
      "1 ".repeat(25_000),
      ":".repeat(50_000),
      "a@".repeat(25_000),
      "a.".repeat(25_000),
      "GB82 " + "AAAA ".repeat(9_000),
    ];
    const stage = stageOf(redact, { patterns: [...PATTERN_NAMES] });
    for (const line of hostile) {
      const began = performance.now();
      stage.apply(eventOf(line));
      const took = performance.now() - began;
      assert.ok(took < 5_000, `${line.slice(0, 6)}… took ${took} ms`);
    }
  });

  it("looks at numbers, items of arrays and members of objects, and leaves null and names alone", () => {
    const event = redacted(
      { patterns: ["email", "credit_card"], replacement: "#" },
      {
        card: 4111111111111111,
        list: ["a@b.example", { deep: "a@b.example" }, null, 7],
        "a@b.example": null,
        ok: true,
      },
    );
    const object = event.toObject();
    assert.equal(object["card"], "#");
    assert.deepEqual(object["list"], ["#", { deep: "#" }, null, 7]);
    assert.equal(object["a@b.example"], null);
    assert.equal(object["ok"], true);
  });

  it("redacts an object by its name, and no other field", () => {
    const event = redacted({ fields: ["user"] }, { user: { name: "ada", ids: [1, 2] }, username: "ada" });
    assert.deepEqual(event.toObject()["user"], { name: "[REDACTED]", ids: ["[REDACTED]", "[REDACTED]"] });
    assert.equal(event.toObject()["username"], "ada");
  });

  it("redacts the line as it was read, which dead letters hold, along with the field", () => {
    assert.equal(redacted({ patterns: ["email"], replacement: "#" }, "by a@b.example").line, "by #");
    const event = eventOf('{"pw":"say \\"x\\"","user":"a@b.example"}');
    event.set(new Path("pw"), 'say "x"');
    stageOf(redact, { fields: ["pw"], replacement: "#" }).apply(event);
    assert.equal(event.line, '{"pw":"#","user":"a@b.example"}');
  });

  it("leaves a line alone in which nothing had to be redacted", () => {
    const event = redacted({ fields: ["user"], patterns: ["email"] }, "by a@b.example");
    assert.equal(event.line, "by a@b.example");
    assert.equal(event.toObject()["message"], "by a@b.example");
  });

  it("redacts all of a match, or the one group of an expression", () => {
    assert.equal(text({ regexes: ["id=\\d+"], replacement: "#" }, "id=12 id=x id=3"), "# id=x #");
    assert.equal(text({ regexes: ["id=(\\d+);"], replacement: "#" }, "id=12; id=13 id=14;"), "id=#; id=13 id=#;");
    assert.equal(text({ regexes: ["(?:a|b)=([^ (]*)(?: |$)"], replacement: "#" }, "a=1 b=2"), "a=# b=#");
    for (const bad of ["(a)(b)", "(?:(a))", "(a)|b", "(a)+", "((a)b)"])
      assert.throws(() => stageOf(redact, { regexes: [bad] }), /one group/, bad);
    assert.throws(() => stageOf(redact, { regexes: ["(?<=x)y"] }), /WT_PATTERN_REFUSED|exponential/);
    assert.equal(text({ regexes: ["x*"], replacement: "#" }, "axxb"), "a#b");
  });

  it("masks letters and digits and never shows more than half of them", () => {
    const mask = (message: string, more: Options = {}): unknown =>
      redacted({ fields: ["message"], action: "mask", ...more }, message).toObject()["message"];
    assert.equal(mask("ada@example.com"), "***@*******.***");
    assert.equal(mask("4111-1111-1111-1234", { keep_last: 4 }), "****-****-****-1234");
    assert.equal(mask("1234", { keep_last: 4 }), "**34");
    assert.equal(mask("abcdefgh", { keep_first: 2, keep_last: 2, mask_character: "x" }), "abxxxxgh");
    assert.equal(mask("Zoë😀", {}), "****");
  });

  it("hashes with a key: equal values stay equal, and another key gives another hash", () => {
    const hash = (message: string, key: string): unknown =>
      redacted({ fields: ["message"], action: "hash", key }, message).toObject()["message"];
    const [one, again] = [hash("ada", "0123456789abcdef"), hash("ada", "0123456789abcdef")];
    assert.match(String(one), /^[0-9a-f]{32}$/);
    assert.equal(one, again);
    assert.notEqual(one, hash("ada", "0123456789abcdeg"));
    assert.notEqual(one, hash("adb", "0123456789abcdef"));
  });

  it("wants something to look for, and a key to hash with", () => {
    assert.throws(() => stageOf(redact, {}), /say what to redact/);
    assert.throws(() => stageOf(redact, { fields: ["a"], action: "hash" }), /needs a key/);
    assert.throws(() => stageOf(redact, { fields: ["a"], action: "hash", key: "short" }), /16/);
    assert.throws(() => stageOf(redact, { fields: ["@timestamp"] }), /@timestamp/);
  });
});
