import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseNginxDefinition } from "../../../../src/codec/nginx/definition.ts";
import { NginxLineParser } from "../../../../src/codec/nginx/line-parser.ts";
import type { NginxEscape } from "../../../../src/codec/nginx/definition.ts";
import { isLinearTime } from "../../../../src/codec/pattern.ts";
import { WiretailError } from "../../../../src/core/error.ts";

/** The fields of a line, or why there are none. */
function read(format: string, line: string, escape?: NginxEscape): Record<string, unknown> | string {
  const parser = new NginxLineParser(format, escape);
  assert.ok(isLinearTime(parser.source), parser.source);
  const match = parser.match(line);
  if (match === null) return parser.explain(line);
  const values: unknown[] = [];
  parser.fill(match, values, Int32Array.from(parser.fields.keys()));
  const fields = Object.fromEntries(
    parser.fields.map((name, i) => [name, values[i]]).filter(([, value]) => value !== undefined),
  ) as Record<string, unknown>;
  return parser.hasTime ? { "@timestamp": new Date(parser.timeMs).toISOString(), ...fields } : fields;
}

describe("nginx log formats", () => {
  it("a definition is read as a name, a bare format, its pieces, or the whole directive with comments", () => {
    const expected = { escape: "json", text: '$remote_addr "$request"\t$status' };
    for (const source of [
      `log_format  main  escape=json  '$remote_addr "$request"'\n  '\\t$status';`,
      `log_format main escape=json '$remote_addr ' # who\n "\\"$request\\"\\t" $status ;  `,
      `escape=json '$remote_addr "$request"' '\\t$status'`,
    ]) {
      const { escape, text } = parseNginxDefinition(source);
      assert.deepEqual({ escape, text }, expected, source);
    }
    assert.equal(parseNginxDefinition(" combined ").pieces.length, 16);
    assert.deepEqual(parseNginxDefinition("${status}x").pieces, [{ variable: "status", position: 1 }, "x"]);
    assert.equal(parseNginxDefinition("$status", "none").escape, "none");
  });

  it("a definition that is none is refused with the place", () => {
    for (const [format, message] of [
      ["", /no variable/],
      ["text only", /no variable/],
      ["$status $", /"\$" at position 9/],
      ["log_format x 'a $status;", /quote at position 14 is not closed/],
      ["log_format x escape=xml '$status';", /escape=xml at position 14/],
      ["log_format x '$status'; log_format y '$host';", /only one log_format/],
      ["$request$status", /\$request and \$status at position 1 stand side by side/],
      ["$http_a$http_b", /stand side by side/],
    ] as const) {
      assert.throws(
        () => new NginxLineParser(format),
        (error: unknown) =>
          error instanceof WiretailError && error.code === "WT_FORMAT_INVALID" && message.test(error.message),
        format,
      );
    }
  });

  it("variables become ECS fields with their types", () => {
    const format =
      '$remote_addr:$remote_port [$time_iso8601] $msec $host $request_id "$request_method $request_uri $server_protocol" $status $bytes_sent $request_length $request_time $ssl_protocol $ssl_cipher $ssl_session_reused "$ssl_server_name" $pipe $http_host "$http_x_forwarded_for" $gzip_ratio';
    const line =
      '2001:db8::7:51000 [2019-12-11T21:47:14+01:00] 1576097234.285 chat.example.com 5f2b "GET /a?b=c HTTP/1.1" 200 1532 418 0.250 TLSv1.3 TLS_AES_256_GCM_SHA384 r "chat.example.com" . chat.example.com:8443 "10.0.0.1, 10.0.0.2" 2.50';
    assert.deepEqual(read(format, line), {
      "@timestamp": "2019-12-11T20:47:14.285Z",
      "source.address": "2001:db8::7",
      "source.ip": "2001:db8::7",
      "source.port": 51000,
      "url.domain": "chat.example.com",
      "http.request.id": "5f2b",
      "http.request.method": "GET",
      "url.original": "/a?b=c",
      "http.version": "1.1",
      "http.response.status_code": 200,
      "http.response.bytes": 1532,
      "http.request.bytes": 418,
      "event.duration": 250_000_000,
      "tls.version": "1.3",
      "tls.version_protocol": "tls",
      "tls.cipher": "TLS_AES_256_GCM_SHA384",
      "tls.resumed": true,
      "tls.client.server_name": "chat.example.com",
      "nginx.pipe": ".",
      "url.port": 8443,
      "nginx.http_x_forwarded_for": "10.0.0.1, 10.0.0.2",
      "nginx.gzip_ratio": 2.5,
    });
  });

  it("a list has one value for each upstream that was tried", () => {
    const format =
      "$remote_addr $upstream_addr $upstream_status $upstream_response_time $upstream_cache_status $status";
    assert.deepEqual(
      read(format, "10.0.0.1 10.1.1.1:80, unix:/run/app.sock : 10.1.1.3:80 502, 504 : 200 0.001, - : 0.250 MISS 200"),
      {
        "source.address": "10.0.0.1",
        "source.ip": "10.0.0.1",
        "nginx.upstream.address": ["10.1.1.1:80", "unix:/run/app.sock", "10.1.1.3:80"],
        "nginx.upstream.status": [502, 504, 200],
        "nginx.upstream.response_time": [0.001, 0.25],
        "nginx.upstream.cache_status": "MISS",
        "http.response.status_code": 200,
      },
    );
    const one = read(format, "10.0.0.1 10.1.1.1:80 200 0.250 - 200");
    assert.equal((one as Record<string, unknown>)["nginx.upstream.address"], "10.1.1.1:80");
    assert.equal((one as Record<string, unknown>)["nginx.upstream.response_time"], 0.25);
    assert.deepEqual(Object.keys(read(format, "unix: - - - - 200") as object), [
      "source.address",
      "http.response.status_code",
    ]);
  });

  it("request lines of every kind parse, and what is no request is kept as it was", () => {
    const ask = (request: string) => read('"$request" $status', `"${request}" 400`);
    assert.deepEqual(ask("GET / HTTP/1.0"), {
      "http.request.method": "GET",
      "url.original": "/",
      "http.version": "1.0",
      "http.response.status_code": 400,
    });
    assert.deepEqual(ask("GET /a b HTTP/1.1"), {
      "http.request.method": "GET",
      "url.original": "/a b",
      "http.version": "1.1",
      "http.response.status_code": 400,
    });
    assert.deepEqual(ask("M-SEARCH * HTTP/1.1"), {
      "http.request.method": "M-SEARCH",
      "url.original": "*",
      "http.version": "1.1",
      "http.response.status_code": 400,
    });
    assert.deepEqual(ask("GET /"), { "nginx.request": "GET /", "http.response.status_code": 400 });
    assert.deepEqual(ask("\\x16\\x03\\x01"), {
      "nginx.request": "\u0016\u0003\u0001",
      "http.response.status_code": 400,
    });
    for (const none of ["-", ""]) assert.deepEqual(ask(none), { "http.response.status_code": 400 });
  });

  it("escapes are undone as the format says", () => {
    const agent = (escape: NginxEscape, text: string) =>
      (read('"$http_user_agent" $status', `"${text}" 200`, escape) as Record<string, unknown>)["user_agent.original"];
    assert.equal(agent("default", "\\x22q\\x22 \\xE2\\x82\\xAC \\x5Cx41 \\xFF"), '"q" € \\x41 \ufffd');
    assert.equal(agent("json", 'say \\"hi\\" \\u0001\\\\ \\n'), 'say "hi" \u0001\\ \n');
    assert.equal(agent("json", "bad \\q"), "bad \\q");
    assert.equal(agent("none", 'say "hi" \\x41'), 'say "hi" \\x41');
    assert.equal(agent("default", "-"), undefined);
    assert.equal(agent("json", ""), undefined);
    assert.equal(agent("json", "-"), "-");
  });

  it("a format that writes JSON is parsed by its variables", () => {
    const format = `log_format json escape=json '{"time":"$time_iso8601","ip":"$remote_addr","req":"$request","status":$status,"rt":$request_time,"ua":"$http_user_agent"}';`;
    assert.deepEqual(
      read(
        format,
        '{"time":"2019-12-11T20:47:14+00:00","ip":"203.0.113.7","req":"GET /\\"x HTTP/1.1","status":200,"rt":0.003,"ua":""}',
      ),
      {
        "@timestamp": "2019-12-11T20:47:14.000Z",
        "source.address": "203.0.113.7",
        "source.ip": "203.0.113.7",
        "http.request.method": "GET",
        "url.original": '/"x',
        "http.version": "1.1",
        "http.response.status_code": 200,
        "event.duration": 3_000_000,
      },
    );
  });

  it("values that stand side by side are told apart where nginx's own shapes allow it", () => {
    assert.deepEqual(read("$scheme://$host$request_uri $status", "https://example.com/a/b?c 200"), {
      "url.scheme": "https",
      "url.domain": "example.com",
      "url.original": "/a/b?c",
      "http.response.status_code": 200,
    });
    assert.deepEqual(read('"$uri$is_args$args"', '"/a?b=c"'), { "url.path": "/a", "url.query": "b=c" });
    assert.deepEqual(read('"$uri$is_args$args"', '"/a"'), { "url.path": "/a" });
  });

  it("stream formats are known by their variables", () => {
    const format =
      '$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time "$upstream_addr" "$upstream_bytes_sent" "$upstream_connect_time" $ssl_preread_server_name';
    assert.deepEqual(
      read(
        format,
        '203.0.113.7 [11/Dec/2019:20:47:14 +0000] TCP 200 1532 418 12.345 "10.0.0.2:9000" "418" "0.001" chat.example.com',
      ),
      {
        "@timestamp": "2019-12-11T20:47:14.000Z",
        "source.address": "203.0.113.7",
        "source.ip": "203.0.113.7",
        "network.transport": "tcp",
        "nginx.status": 200,
        "destination.bytes": 1532,
        "source.bytes": 418,
        "event.duration": 12_345_000_000,
        "nginx.upstream.address": "10.0.0.2:9000",
        "nginx.upstream.bytes_sent": 418,
        "nginx.upstream.connect_time": 0.001,
        "tls.client.server_name": "chat.example.com",
      },
    );
  });

  it("of two variables for one field the first keeps it, and the second has its own name", () => {
    assert.deepEqual(read('$request_uri "$request" $status', '/a "GET /b HTTP/1.1" 200'), {
      "url.original": "/a",
      "http.request.method": "GET",
      "http.version": "1.1",
      "http.response.status_code": 200,
    });
    assert.deepEqual(read("$host $http_host $status $status", "a b 200 200"), {
      "url.domain": "a",
      "http.response.status_code": 200,
      "nginx.status": "200",
    });
  });

  it("a line that does not fit is told how far it fits, and a bad time is named", () => {
    assert.equal(read("combined", "hello"), 'does not match the log format (matched up to "hello" at character 5)');
    assert.equal(
      read("combined", '1.2.3.4 - - [11/Dec/2019:20:47:14 +0000] "GET / HTTP/1.1" 200 x "-" "-"'),
      'does not match the log format (matched up to "…0] \\"GET / HTTP/1.1\\" 200 " at character 62)',
    );
    assert.equal(
      read("combined", '1.2.3.4 - - [31/Feb/2019:20:47:14 +0000] "GET / HTTP/1.1" 200 1 "-" "-"'),
      '$time_local "31/Feb/2019:20:47:14 +0000" is not a time',
    );
  });
});
