import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseCefMessage } from "../../../src/codec/cef/parse.ts";
import { parseUrlParts } from "../../../src/codec/url.ts";
import type { AnyStage } from "../../../src/core/component.ts";
import { parseCef } from "../../../src/stages/parse_cef/index.ts";
import { parseUrl } from "../../../src/stages/parse_url/index.ts";
import { outcomeOf, stageOf, timedFields } from "../../support/stages.ts";

const parsed = (
  definition: AnyStage,
  options: Record<string, unknown>,
  input: string | Record<string, unknown>,
): unknown => outcomeOf(definition, options, input, timedFields);

describe("parse_cef", () => {
  const cef = (text: string, options: Record<string, unknown> = {}): Record<string, unknown> | string =>
    parsed(parseCef, options, text) as Record<string, unknown> | string;

  it("reads the examples of the format's description, behind a syslog header too", () => {
    const worm = cef(
      "Sep 19 08:26:10 host CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232",
    ) as Record<string, unknown>;
    assert.deepEqual(worm["observer"], { vendor: "Security", product: "threatmanager", version: "1.0" });
    assert.deepEqual(worm["event"], { code: "100", severity: 10 });
    assert.deepEqual(worm["source"], { ip: "10.0.0.1", port: 1232 });
    assert.equal(worm["message"], undefined);
    const header = parseCefMessage(
      "CEF:0|security|threatmanager|1.0|100|detected a \\| in message|10|src=10.0.0.1 act=blocked a | dst=1.1.1.1",
    );
    assert.ok(typeof header === "object");
    assert.equal(header.name, "detected a | in message");
    assert.deepEqual(header.extensions, [
      ["src", "10.0.0.1"],
      ["act", "blocked a |"],
      ["dst", "1.1.1.1"],
    ]);
  });

  it("undoes escapes in values", () => {
    const { extensions } = parseCefMessage(
      "CEF:0|v|p|1|c|n|3|act=blocked a \\= dst=1.1.1.1 msg=Detected a threat.\\n No action needed. filePath=C:\\\\Windows\\\\x cs1=a\\tb",
    ) as Exclude<ReturnType<typeof parseCefMessage>, string>;
    assert.deepEqual(Object.fromEntries(extensions), {
      act: "blocked a =",
      dst: "1.1.1.1",
      msg: "Detected a threat.\n No action needed.",
      filePath: "C:\\Windows\\x",
      cs1: "a\\tb",
    });
  });

  it("keeps what has no field, or is not of its type, under its own name", () => {
    const event = cef(
      "CEF:0|v|p|1|c|n|High|src=gate spt=x cs1Label=Rule cs1=7 rt=Dec 11 2019 20:47:14 __proto__=1",
    ) as Record<string, Record<string, unknown>>;
    assert.equal(event["@timestamp"], "2019-12-11T20:47:14.000Z");
    assert.deepEqual(Object.entries(event["cef"]!["extensions"] as object), [
      ["src", "gate"],
      ["spt", "x"],
      ["cs1Label", "Rule"],
      ["cs1", "7"],
      ["__proto__", "1"],
    ]);
    assert.equal(event["event"]!["severity"], 8);
  });

  it("says why a text is none", () => {
    assert.equal(cef("hello"), 'is not CEF: there is no "CEF:" in it');
    assert.equal(cef("CEF:0|a|b"), "is not CEF: its header has 3 of 7 parts");
    assert.equal(cef("CEF:x|a|b|c|d|e|f|"), "is not CEF: it begins without a version");
  });
});

describe("parse_url", () => {
  it("takes whole and partial URLs apart, as they stand", () => {
    const none = { scheme: undefined, username: undefined, domain: undefined, port: undefined, path: undefined };
    const rest = { extension: undefined, query: undefined, fragment: undefined };
    assert.deepEqual(parseUrlParts("http://[2001:db8::1]:80/%7Ea/?q#f"), {
      ...{ scheme: "http", username: undefined, domain: "2001:db8::1", port: 80, path: "/%7Ea/" },
      ...{ extension: undefined, query: "q", fragment: "f" },
    });
    assert.deepEqual(parseUrlParts("example.org:443"), { ...none, ...rest, domain: "example.org", port: 443 });
    assert.deepEqual(parseUrlParts("*"), { ...none, ...rest, path: "*" });
    assert.deepEqual(parseUrlParts("mailto:ada@example.org"), {
      ...{ ...none, ...rest, scheme: "mailto", path: "ada@example.org", extension: "org" },
    });
    assert.deepEqual(parseUrlParts("//h/a.tar.gz?"), {
      ...none,
      ...rest,
      domain: "h",
      path: "/a.tar.gz",
      extension: "gz",
    });
    assert.deepEqual(parseUrlParts("https://u:p@h/.bashrc"), {
      ...{ ...none, ...rest, scheme: "https", username: "u", domain: "h", path: "/.bashrc" },
    });
  });

  it("says why a text is none", () => {
    assert.equal(parseUrlParts("/a b"), "has white space or a control character at character 3");
    assert.equal(parseUrlParts(""), "is empty");
    assert.equal(parseUrlParts("http://h:99999/"), 'has no host behind //: "h:99999"');
    assert.equal(parseUrlParts("http://[::g]/"), 'has no host behind //: "[::g]"');
    assert.equal(parseUrlParts("http://a@b@c/"), 'has no host behind //: "a@b@c"');
  });

  it("keeps the field that it read or not, and refuses options by which it would be lost", () => {
    const input = { link: "http://h/p" };
    assert.deepEqual(parsed(parseUrl, { field: "link", target: "url" }, input), {
      "@timestamp": "2026-11-21T10:00:00.000Z",
      link: "http://h/p",
      url: { scheme: "http", domain: "h", path: "/p" },
    });
    assert.deepEqual(parsed(parseUrl, { field: "link", target: "link", keep_field: false }, input), {
      "@timestamp": "2026-11-21T10:00:00.000Z",
      link: { scheme: "http", domain: "h", path: "/p" },
    });
    assert.throws(() => stageOf(parseUrl, { field: "link", target: "link" }), /would take the place of link/);
    assert.equal(parsed(parseUrl, {}, "x"), "there is no field url.original");
  });
});
