import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { expandGrok } from "../../../src/codec/grok/expand.ts";
import { GROK_PATTERNS } from "../../../src/codec/grok/patterns.ts";
import { compilePattern } from "../../../src/codec/pattern.ts";
import { StageFailure } from "../../../src/core/component.ts";
import type { WiretailError } from "../../../src/core/error.ts";
import { parseGrok } from "../../../src/stages/parse_grok/index.ts";
import { BothWays, stageConfig } from "../../support/pipelines.ts";
import { eventOf, stageOf } from "../../support/stages.ts";

function grok(pattern: string | string[], text: string, options: Record<string, unknown> = {}): unknown {
  const event = eventOf(text);
  const outcome = stageOf(parseGrok, { pattern, ...options }).apply(event);
  if (outcome instanceof StageFailure) return outcome.message;
  const { "@timestamp": _time, host, ecs: _ecs, log: _log, ...own } = event.toObject();
  const { name: _name, ...ownHost } = host as Record<string, unknown>;
  return Object.keys(ownHost).length > 0 ? { ...own, host: ownHost } : own;
}

function refusal(pattern: string, options: Record<string, unknown> = {}): string {
  try {
    stageOf(parseGrok, { pattern, ...options });
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

/** Texts that a pattern takes as a whole, and texts that it does not. */
const WHOLE: Readonly<Record<string, readonly [takes: string, refuses: string]>> = {
  IPV4: ["0.0.0.0 203.0.113.7 255.255.255.255", "256.1.1.1 1.2.3 01.2.3.4"],
  IPV6: [
    ":: ::1 1:: 1::8 1:2:3:4:5:6:7:8 1:2::7:8 fe80::1%eth0 ::ffff:192.0.2.7 64:ff9b::192.0.2.33 1:2:3:4:5:6:7:: 2001:db8::8a2e:370:7334",
    "1:2:3:4:5:6:7 1::2::3 12345:: :1 1:2:3:4:5:6:7:8:9",
  ],
  HOSTNAME: ["a www.example.com xn--bcher-kva.example web_1 a.b.", "-a a..b .a"],
  NUMBER: ["1 -1 1.5 +.5", "1. . 1e5 a"],
  TIMESTAMP_ISO8601: [
    "2019-12-11T20:47:14.285Z 2019-12-11T20:47:14+01:00 2019-12-11T20:47",
    "2019-13-11T20:47 11-12-2019",
  ],
  HTTPDATE: ["11/Dec/2019:20:47:14|+0000", "11/12/2019:20:47:14|+0000"],
  SYSLOGTIMESTAMP: ["Dec||1|20:47:14 Dec|11|20:47:14", "Dec|32|20:47:14"],
  MAC: ["00:1a:2B:3c:4d:5e 00-1a-2B-3c-4d-5e 001a.2b3c.4d5e", "00:1a:2B:3c:4d 00:1a:2B:3c:4d:5g"],
  UUID: ["550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716"],
  QUOTEDSTRING: ['"" "a|b" "a\\"b" \'it\' `x`', '"a "a"b" a'],
  LOGLEVEL: ["INFO info Warn WARNING error ERR crit SEVERE Emergency", "infos W"],
  EMAILADDRESS: ["ada+x@example.org a@b", "ada @b"],
  URI: ["https://ada:x@example.org:8080/a/b?c=d&e http://[", "example.org /a"].map((each) =>
    each.replace(" http://[", ""),
  ) as [string, string],
  UNIXPATH: ["/ /var/log/x.log /a//b", "a/b"],
  WINPATH: ["C:\\Windows\\System32 \\\\host\\share", "/a"],
  URN: ["urn:isbn:0451450523", "urn:x"],
  JAVACLASS: ["com.example.Main$Inner Main", "1a .a"],
  DATESTAMP_EVENTLOG: ["20191211204714", "2019121"],
  TTY: ["/dev/pts/0 /dev/tty1 /dev/ttyS0", "/dev/null"],
};

describe("grok patterns", () => {
  it("all compile, and run on the linear-time engine", () => {
    for (const name of Object.keys(GROK_PATTERNS)) compilePattern(expandGrok(`%{${name}}`).source);
  });

  it("all can be compiled into programs", () => {
    const refused = Object.keys(GROK_PATTERNS).filter((name) => {
      const both = new BothWays([stageConfig({ type: "parse_grok", options: { pattern: `^%{${name}:x_y}$` } })]);
      return both.refusal() !== undefined;
    });
    assert.deepEqual(refused, []);
  });

  for (const [name, [takes, refuses]] of Object.entries(WHOLE)) {
    it(`${name} takes what it should as a whole, and nothing else`, () => {
      const regex = new RegExp(`^(?:${compilePattern(expandGrok(`%{${name}}`).source).regex.source})$`);
      for (const text of takes.split(" ")) assert.match(text.replaceAll("|", " "), regex);
      for (const text of refuses.split(" ")) assert.doesNotMatch(text.replaceAll("|", " "), regex);
    });
  }
});

describe("parse_grok", () => {
  it("reads lines of Apache's and syslog's formats", () => {
    assert.deepEqual(
      grok(
        "^%{COMBINEDAPACHELOG}$",
        '203.0.113.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"',
      ),
      {
        source: { address: "203.0.113.7" },
        user: { name: "frank" },
        timestamp: "10/Oct/2000:13:55:36 -0700",
        http: {
          request: { method: "GET", referrer: "http://www.example.com/start.html" },
          version: "1.0",
          response: { status_code: 200, body: { bytes: 2326 } },
        },
        url: { original: "/apache_pb.gif" },
        user_agent: { original: "Mozilla/4.08 [en] (Win98; I ;Nav)" },
      },
    );
    assert.deepEqual(
      grok("^%{SYSLOGBASE} %{GREEDYDATA:message}", "Oct 11 22:14:15 gate sshd[4711]: Connection closed"),
      {
        timestamp: "Oct 11 22:14:15",
        host: { hostname: "gate" },
        process: { name: "sshd", pid: 4711 },
        message: "Connection closed",
      },
    );
  });

  it("takes the first of several patterns that matches, Logstash's field names, and groups with names", () => {
    assert.deepEqual(grok(["^in %{INT:[network][bytes]:int}$", "^out (?<rest>\\w+)$"], "in 7"), {
      network: { bytes: 7 },
    });
    assert.deepEqual(grok(["^in %{INT:x}$", "^out (?<rest>\\w+)$"], "out b"), { rest: "b" });
    assert.equal(grok(["^in %{INT:x}$", "^out (?<rest>\\w+)$"], "up"), "matches none of the 2 patterns");
  });

  it("says how far a text matches, and what is not of its type", () => {
    assert.equal(
      grok("^%{WORD:a} %{INT:b}$", "one two"),
      'does not match the pattern (matched up to "one " at character 4)',
    );
    assert.equal(grok("^%{DATA:a:int}$", "x"), 'a: "x" is not of type integer');
    assert.equal(grok("^%{INT:a:int}$", "9".repeat(30)), `a: "${"9".repeat(30)}" is not of type integer`);
  });

  it("takes definitions of the user's own, which may use others", () => {
    const pattern_definitions = { ORDER: "%{PREFIX}-%{INT:number:int}", PREFIX: "[A-Z]+", INT: "[0-9]{3}" };
    assert.deepEqual(grok("%{ORDER:order}", "x AB-1234", { pattern_definitions }), { order: "AB-123", number: 123 });
  });

  it("refuses what it does not know, and says what was meant", () => {
    assert.match(refusal("%{NOPE:a}"), /unknown pattern %\{NOPE:a\}; pattern_definitions can define it/);
    assert.match(refusal("%{ipv4:a}"), /did you mean %\{IPV4\}\?/);
    assert.match(refusal("%{LOOP}", { pattern_definitions: { LOOP: "a%{B}", B: "%{LOOP}?" } }), /LOOP → B → LOOP/);
    assert.match(refusal("%{INT:a:money}"), /the types are int, integer/);
    assert.match(refusal("%{INT:a b}"), /"a b" is not a field/);
    assert.match(refusal("%{INT:a:int} %{WORD:a:float}"), /a has two types/);
    assert.match(refusal("%{INT"), /not of the form/);
    assert.match(refusal("%{INT:a} %{INT:a.b}"), /a and a\.b overlap/);
    assert.match(refusal("\\A%{INT:a}"), /\\A at position 1 is not JavaScript's syntax/);
    assert.match(refusal("[[:alnum:]]+"), /not JavaScript's syntax/);
    assert.match(refusal("(?>a+)"), /not a regular expression/);
  });

  it("refuses patterns that could stall it, and is not stalled by those that it takes", () => {
    assert.match(refusal("^(?=%{WORD:a})"), /look-around/);
    const bomb = { A: "a+", B: "%{A}%{A}", C: "%{B}%{B}%{B}%{B}%{B}%{B}%{B}%{B}", D: "%{C}%{C}%{C}%{C}%{C}%{C}%{C}" };
    const definitions: Record<string, string> = { ...bomb };
    for (let i = 0; i < 6; i++) definitions[`E${i}`] = `%{${i === 0 ? "D" : `E${i - 1}`}}`.repeat(10);
    assert.match(refusal("%{E5}", { pattern_definitions: definitions }), /too long/);
    const stage = stageOf(parseGrok, { pattern: "^(%{WORD}+)+ %{IPORHOST:a}(%{DATA}%{DATA}%{DATA}!)+$" });
    const began = performance.now();
    assert.ok(stage.apply(eventOf("a".repeat(3000))) instanceof StageFailure);
    assert.ok(stage.apply(eventOf("a 1.2.3.4" + "x".repeat(3000))) instanceof StageFailure);
    assert.ok(performance.now() - began < 3000);
  });

  it("gives its hint about how to write a refused pattern", () => {
    assert.throws(
      () => stageOf(parseGrok, { pattern: "\\h" }),
      (error: WiretailError) => error.hint?.startsWith("Write ") === true,
    );
  });
});
