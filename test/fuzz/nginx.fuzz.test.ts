import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { NginxLineParser } from "../../src/codec/nginx/line-parser.ts";
import { isLinearTime } from "../../src/codec/pattern.ts";
import { WiretailError } from "../../src/core/error.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 3, numRuns: 1_000_000 };
const VARIABLES =
  "remote_addr remote_user time_local time_iso8601 msec request status body_bytes_sent http_referer http_user_agent request_time upstream_addr upstream_status upstream_response_time host uri is_args args request_uri scheme pipe ssl_protocol ssl_session_reused protocol session_time bytes_received http_host foo constructor __proto__".split(
    " ",
  );
const format = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...VARIABLES).map((name) => "$" + name) },
      fc.constantFrom(" ", '" "', " [", "] ", '"', ":", ",", "|", "é", "{", "\\", "("),
    ),
    {
      minLength: 1,
      maxLength: 14,
    },
  )
  .map((parts) => parts.join(""));

function compile(text: string, escape?: "default" | "json" | "none"): NginxLineParser | undefined {
  try {
    return new NginxLineParser(text, escape);
  } catch (error) {
    assert.ok(error instanceof WiretailError && error.code === "WT_FORMAT_INVALID", String(error));
    return undefined;
  }
}

function run(parser: NginxLineParser, line: string): unknown[] | string {
  const match = parser.match(line);
  if (match === null) return parser.explain(line);
  const values: unknown[] = parser.fields.map(() => undefined);
  parser.fill(match, values, Int32Array.from(parser.fields.keys()));
  assert.equal(values.length, parser.fields.length);
  JSON.stringify(values);
  return values;
}

it("any format is refused or becomes a pattern for the linear-time engine, and any line parses or says why not", () => {
  const escape = fc.constantFrom("default", "json", "none", undefined);
  const line = fc.oneof(fc.string(), fc.stringMatching(/^[-0-9a-z:., "[\]/\\x]{0,60}$/));
  fc.assert(
    fc.property(fc.oneof(format, fc.string()), escape, fc.array(line, { maxLength: 5 }), (text, how, lines) => {
      const parser = compile(text, how);
      if (parser === undefined) return;
      assert.ok(isLinearTime(parser.source), parser.source);
      for (const each of lines) run(parser, each);
    }),
    limits,
  );
});

it("what nginx writes in the combined format is read back", () => {
  const free = fc.string().map((value) => (value === "-" || value === "" ? "x" : value.replaceAll("\ufffd", "x")));
  const parser = new NginxLineParser("combined");
  const at = (name: string) => parser.fields.indexOf(name);
  fc.assert(
    fc.property(fc.ipV4(), free, free, free, fc.nat(1e9), (ip, url, referrer, agent, bytes) => {
      const path = "/" + url.replaceAll(" ", "+");
      const line = `${ip} - - [11/Dec/2019:20:47:14 +0000] "GET ${written(path)} HTTP/1.1" 200 ${bytes} "${written(referrer)}" "${written(agent)}"`;
      const values = run(parser, line);
      assert.ok(Array.isArray(values), String(values));
      assert.deepEqual(
        [
          values[at("source.ip")],
          values[at("url.original")],
          values[at("http.response.body.bytes")],
          values[at("http.request.referrer")],
          values[at("user_agent.original")],
        ],
        [ip, path, bytes, referrer, agent],
      );
    }),
    limits,
  );
});

it("no line makes a format slow", () => {
  const parsers = [
    '$remote_user [$time_local] "$request" $http_a "$http_b" $upstream_addr $status',
    "$upstream_addr $upstream_status $http_a : $http_b, $foo",
  ].map((text) => compile(text)!);
  const piece = fc.constantFrom("-", " ", ", ", " : ", '"', "[", "]", "a", "1", "GET / ", "HTTP/1");
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), (parts) => {
      const line = parts.join("").repeat(2000);
      for (const parser of parsers) {
        const began = performance.now();
        run(parser, line);
        assert.ok(performance.now() - began < 2000, JSON.stringify(parts));
      }
    }),
    limits,
  );
});

/** ngx_http_log_escape: quotes, backslashes, control and non-ASCII bytes as \xHH. */
function written(text: string): string {
  let out = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const plain = byte >= 32 && byte < 127 && byte !== 34 && byte !== 92;
    out += plain ? String.fromCharCode(byte) : "\\x" + byte.toString(16).toUpperCase().padStart(2, "0");
  }
  return out;
}
