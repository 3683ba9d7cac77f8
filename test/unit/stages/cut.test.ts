import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EncodedBatch } from "../../../src/core/batch.ts";
import { DROP, StageFailure, type AnyStage } from "../../../src/core/component.ts";
import { parseDissect } from "../../../src/stages/parse_dissect/index.ts";
import { parseSyslog } from "../../../src/stages/parse_syslog/index.ts";
import { BothWays, readBatch, stageConfig } from "../../support/pipelines.ts";
import { eventOf, stageOf } from "../../support/stages.ts";

/** The document, without what the test's source gives, or why the stage failed. */
function parsed(definition: AnyStage, options: Record<string, unknown>, input: string): unknown {
  const event = eventOf(input);
  const outcome = stageOf(definition, options).apply(event);
  assert.notEqual(outcome, DROP);
  if (outcome instanceof StageFailure) return outcome.message;
  const { host: _host, ecs: _ecs, ...document } = event.toObject();
  delete (document["log"] as Record<string, unknown>)["file"];
  delete (document["log"] as Record<string, unknown>)["offset"];
  if (Object.keys(document["log"] as object).length === 0) delete document["log"];
  return document;
}

function documents(batch: EncodedBatch): unknown[] {
  return [...batch.bodies.values()].flatMap(({ bytes }) =>
    bytes
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  );
}

/** Both ways of running a stage give the same documents; returns how many lines the program left to `apply`. */
function plainLines(type: string, options: Record<string, unknown>, lines: readonly string[]): number | undefined {
  const both = new BothWays([stageConfig({ type, options })]);
  const batch = readBatch(Buffer.from(lines.join("\n") + "\n"));
  const [compiled, plain] = [both.run("compiled", batch), both.run("plain", batch)];
  assert.deepEqual(documents(compiled.encoded), documents(plain.encoded));
  assert.deepEqual(compiled.encoded.timesMs, plain.encoded.timesMs);
  assert.deepEqual(compiled.counts, plain.counts);
  return compiled.plainLines;
}

describe("parse_dissect", () => {
  const dissect = (pattern: string, text: string): unknown => {
    const document = parsed(parseDissect, { pattern }, text);
    if (typeof document === "string") return document;
    delete (document as Record<string, unknown>)["@timestamp"];
    return document;
  };

  it("cuts at the first place of each delimiter, and gives the rest to the last key", () => {
    assert.deepEqual(dissect("%{a} %{b}: %{c}", "x y z: 1 : 2"), { a: "x", b: "y z", c: "1 : 2" });
    assert.deepEqual(dissect("<%{a}>%{b}", "<1>"), { a: "1", b: "" });
    assert.deepEqual(dissect("[%{a}] - [%{b}]", "[x]y] - [z]"), { a: "x]y", b: "z" });
  });

  it("leaves parts out, joins parts, in the order that is asked for, and skips padding", () => {
    assert.deepEqual(dissect("%{} %{?b} %{c}", "x y z"), { c: "z" });
    assert.deepEqual(dissect("%{t} %{+t}, %{+t}", "Dec 11, 2019"), { t: "Dec 11, 2019" });
    assert.deepEqual(dissect("%{+t/2} %{+t/1}/%{a}", "x y/z"), { t: "y x", a: "z" });
    assert.deepEqual(dissect("%{a->} %{b->}|%{c}", "x    y|||z"), { a: "x", b: "y", c: "z" });
  });

  it("gives types, and says what is not of its type", () => {
    assert.deepEqual(dissect("%{a|integer} %{b|float} %{c|boolean}", "7 1.5 yes"), { a: 7, b: 1.5, c: true });
    assert.deepEqual(dissect("%{a|integer} %{b}", " x"), { b: "x" });
    assert.equal(dissect("%{a|integer} %{b}", "x y"), 'a: "x" is not of type integer');
  });

  it("says why a text does not fit", () => {
    assert.equal(dissect("<%{a}>", "x"), 'does not begin with "<"');
    assert.equal(dissect("%{a} %{b} %{c}", "x y"), 'has no " " behind character 2, for key 2 of the pattern');
    assert.equal(dissect("[%{a}]", "[x]y"), "has more text behind character 3 than the pattern");
  });

  it("refuses patterns that mean nothing, and says why", () => {
    const refused = (pattern: string): string => {
      try {
        stageOf(parseDissect, { pattern });
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    assert.match(refused("plain"), /has no key/);
    assert.match(refused("%{a}%{b}"), /nothing between %\{a\} and %\{b\}/);
    assert.match(refused("%{a} %{a}"), /%\{a\} twice/);
    assert.match(refused("%{a} %{a.b}"), /a and a\.b overlap/);
    assert.match(refused("%{*a}=%{&a}"), /parse_kv/);
    assert.match(refused("%{a|long}"), /the types are integer/);
    assert.match(refused("%{a b}"), /is not a field/);
    assert.match(refused("%{a->}"), /no delimiter/);
  });

  it("runs compiled, with the same results, and leaves to the plain way what a regular expression does not say", () => {
    const lines = ["a b [c] d", "a  b [c] ] d", "a b [] d", " b [c] é", "", "a b", "a b [c d] ", "日 b [c] d\u00e9 "];
    assert.equal(plainLines("parse_dissect", { pattern: "%{x} %{y.z} [%{q}] %{rest}" }, lines), 3);
    assert.equal(plainLines("parse_dissect", { pattern: "%{x->} %{y}[%{?q}]%{message}" }, lines), 2);
    assert.equal(plainLines("parse_dissect", { pattern: "%{x|integer} %{y}" }, ["1 a", "x b", " c", "007 d"]), 1);
    assert.equal(plainLines("parse_dissect", { pattern: "%{x->} %{y} %{z}" }, ["a  b c", "a  b", "a b"]), undefined);
    assert.equal(plainLines("parse_dissect", { pattern: "%{x} %{+x}" }, lines), undefined);
  });
});

describe("parse_syslog", () => {
  const syslog = (text: string, options: Record<string, unknown> = {}): unknown =>
    parsed(parseSyslog, { zone: "UTC", ...options }, text);
  const of = (document: unknown): Record<string, unknown> => {
    assert.equal(typeof document, "object", String(document));
    const { log, ...rest } = document as { log: { syslog?: Record<string, unknown> } };
    return { ...rest, ...log.syslog };
  };

  it("reads the examples of RFC 5424", () => {
    assert.deepEqual(
      syslog(
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8",
      ),
      {
        "@timestamp": "2003-10-11T22:14:15.003Z",
        message: "'su root' failed for lonvick on /dev/pts/8",
        process: { name: "su" },
        log: {
          level: "critical",
          syslog: {
            priority: 34,
            facility: { code: 4, name: "auth" },
            severity: { code: 2, name: "critical" },
            version: 1,
            hostname: "mymachine.example.com",
            appname: "su",
            msgid: "ID47",
          },
        },
      },
    );
    const second = of(
      syslog("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts."),
    );
    assert.equal(second["procid"], "8710");
    assert.equal(second["@timestamp"], "2003-08-24T12:14:15.000003Z");
    assert.equal(second["message"], "%% It's time to make the do-nuts.");
    const fourth = of(
      syslog(
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource= "Application" eventID="1011"][examplePriority@32473 class="high"]'.replace(
          "= ",
          "=",
        ),
      ),
    );
    assert.deepEqual(fourth["structured_data"], {
      "exampleSDID@32473": { iut: "3", eventSource: "Application", eventID: "1011" },
      "examplePriority@32473": { class: "high" },
    });
    assert.equal(fourth["message"], undefined);
  });

  it("undoes escapes of structured data, lists values that repeat, and refuses what is none", () => {
    const line = (data: string): unknown => syslog(`<14>1 - - - - - ${data} m`);
    assert.deepEqual(of(line('[a@1 x="q\\"\\\\\\]\\n" x="2" y=""][b]'))["structured_data"], {
      "a@1": { x: ['q"\\]\\n', "2"], y: "" },
      b: {},
    });
    assert.equal(line("[a@1 x=1]"), 'log.syslog.structured_data: "[a@1 x=1]" is not of type structured data');
    assert.equal(of(line("-"))["structured_data"], undefined);
  });

  it("reads the examples of RFC 3164 and what programs send", () => {
    const su = of(syslog("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8"));
    assert.deepEqual(
      [su["@timestamp"], su["priority"], su["hostname"], su["appname"], su["message"]],
      ["2026-10-11T22:14:15.000Z", 34, "mymachine", "su", "'su root' failed for lonvick on /dev/pts/8"],
    );
    const local = of(syslog("<13>Feb  5 17:32:18 root[77]: from a local socket"));
    assert.deepEqual(
      [local["hostname"], local["appname"], local["procid"], local["message"]],
      [undefined, "root", "77", "from a local socket"],
    );
    const bare = of(syslog("<30>dockerd[812]: no time"));
    assert.deepEqual([bare["appname"], bare["procid"], bare["message"]], ["dockerd", "812", "no time"]);
    assert.deepEqual(of(syslog("<13>hello world"))["message"], "hello world");
    const dated = of(syslog("<189>Feb  5 2019 17:32:18.123 asa-1 : %ASA-6-302013: Built"));
    assert.deepEqual([dated["@timestamp"], dated["hostname"]], ["2019-02-05T17:32:18.123Z", "asa-1"]);
  });

  it("reads lines of files, with rsyslog's old and new times", () => {
    const file = of(syslog("Nov 20 06:25:01 host-1 CRON[4711]: (root) CMD (test -x /usr/sbin/anacron)"));
    assert.deepEqual(
      [file["@timestamp"], file["hostname"], file["appname"], file["procid"], file["message"]],
      ["2026-11-20T06:25:01.000Z", "host-1", "CRON", "4711", "(root) CMD (test -x /usr/sbin/anacron)"],
    );
    const precise = of(
      syslog("2026-11-20T06:25:01.123456+01:00 host-1 systemd[1]: Started cron.service - Regular background program."),
    );
    assert.deepEqual([precise["@timestamp"], precise["appname"]], ["2026-11-20T05:25:01.123456Z", "systemd"]);
    const kernel = of(syslog("Nov 20 06:25:01 host-1 kernel: [    0.000000] Linux version 6.1.0"));
    assert.deepEqual([kernel["appname"], kernel["message"]], ["kernel", "[    0.000000] Linux version 6.1.0"]);
    const repeated = of(syslog("Nov 20 06:25:01 host-1 last message repeated 2 times"));
    assert.deepEqual([repeated["appname"], repeated["message"]], [undefined, "last message repeated 2 times"]);
    const six = of(syslog("Nov 20 06:25:01 fe80::1 sshd[5]: Server listening on :: port 22."));
    assert.deepEqual([six["hostname"], six["message"]], ["fe80::1", "Server listening on :: port 22."]);
    assert.equal(of(syslog("Nov 20 06:25:01 host-1 app:"))["message"], undefined);
  });

  it("takes times without a zone for those of the zone, and December's lines in January for last year's", () => {
    assert.equal(
      of(syslog("Nov 20 06:25:01 h a: b", { zone: "Asia/Tokyo" }))["@timestamp"],
      "2026-11-19T21:25:01.000Z",
    );
    assert.equal(of(syslog("Dec 31 23:59:59 h a: b"))["@timestamp"], "2025-12-31T23:59:59.000Z");
  });

  it("refuses what is no syslog line, and what is not of the format", () => {
    assert.equal(syslog("hello"), "is not a syslog line of RFC 3164 or RFC 5424");
    assert.equal(syslog("<192>1 - - - - - - x"), "is not a syslog line of RFC 3164 or RFC 5424");
    assert.equal(syslog("Nov 33 06:25:01 h a: b"), '"Nov 33 06:25:01" is not a time');
    assert.equal(syslog("<14>1 - - - - - - x", { format: "rfc3164" }) !== undefined, true);
    assert.equal(syslog("Nov 20 06:25:01 h a: b", { format: "rfc5424" }), "is not a syslog line of RFC 5424");
  });

  it("runs compiled, with the same results", () => {
    const lines = [
      "Nov 20 06:25:01 host-1 CRON[4711]: (root) CMD (test -x /usr/sbin/anacron)",
      "2026-11-20T06:25:01.123456+01:00 host-1 systemd[1]: Started é.",
      "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
      "<13>Feb  5 17:32:18 root[77]: from a local socket",
      "<30>dockerd[812]: no time",
      '<165>1 2003-10-11T22:14:15.003Z m evntslog - ID47 [a@1 x="1" y="\\"\\]"][b] \ufeffAn entry',
      "<165>1 - - - - - - -",
      "<14>1 - - - - - [a@1 x=1] refused",
      "prose",
      "Nov 33 06:25:01 h a: b",
    ];
    assert.ok(plainLines("parse_syslog", { zone: "UTC" }, lines)! <= 4);
  });
});
