import assert from "node:assert/strict";
import { test } from "node:test";
import type { Encoding } from "../../../../src/core/batch.ts";
import type { Envelope } from "../../../../src/core/event.ts";
import { Path } from "../../../../src/core/path.ts";
import { components } from "../../../../src/cli/components.ts";
import { loadPipelineFile } from "../../../../src/runtime/config/pipeline-file.ts";
import type { StageConfig } from "../../../../src/runtime/config/types.ts";
import {
  BothWays,
  BULK,
  documentsOf,
  ENVELOPE,
  PLAIN_JSON,
  readBatch,
  stageConfig,
  type StageText,
} from "../../../support/pipelines.ts";

const NGINX =
  '203.0.113.7 - - [11/Dec/2019:20:47:14 +0000] "GET /a?b=1 HTTP/1.1" 200 512 "-" "curl/8.5.0"\n' +
  '2001:db8::7 - ada [11/Dec/2019:20:47:15 +0100] "POST /ä HTTP/2.0" 404 0 "https://x/" "say \\x22hi\\x22"\n';
const JSON_LINES =
  '{"ts":"2019-12-11T20:47:14.285Z","level":"info","msg":"one","req":{"method":"GET"},"n":1.50}\n' +
  '{ "level": "warn", "msg": "a \\"b\\" é", "ts": "2019-12-11T20:47:14.286123Z", "list": [1, 2] }\n';

async function shipped(name: string): Promise<readonly StageConfig[]> {
  const { pipeline, problems } = await loadPipelineFile(name, process.cwd(), components);
  assert.deepEqual(problems, []);
  return pipeline!.stages;
}

function bothWays(stages: readonly StageText[], encodings?: readonly Encoding[]): BothWays {
  return new BothWays(
    stages.map((stage) => stageConfig(stage)),
    encodings,
  );
}

/** Runs both ways, which must agree, and returns how many lines of the compiled run went the plain way. */
function agree(both: BothWays, text: string, encodings: readonly Encoding[] = [BULK]): number | undefined {
  const batch = readBatch(Buffer.from(text), 4_294_967_000);
  const [compiled, plain] = [both.run("compiled", batch), both.run("plain", batch)];
  for (const encoding of encodings) assert.deepEqual(documentsOf(compiled, encoding), documentsOf(plain, encoding));
  assert.deepEqual(compiled.encoded.timesMs, plain.encoded.timesMs);
  assert.deepEqual(compiled.encoded.offsets, plain.encoded.offsets);
  assert.deepEqual(compiled.counts, plain.counts);
  return compiled.plainLines;
}

for (const name of [
  ...["nginx-access", "nginx-stream", "json-lines", "connections-log", "tcpdump-text", "apache", "auth", "haproxy"],
  ...["nginx-error", "postgresql", "redis", "syslog", "logfmt", "aws-elb", "app-multiline", "cri"],
]) {
  test(`the shipped pipeline ${name} is compiled`, async () => {
    assert.equal(new BothWays(await shipped(name)).refusal(), undefined);
  });
}

test("whole lines of the shipped formats need nothing but the program, escapes and other alphabets included", async () => {
  assert.equal(agree(new BothWays(await shipped("nginx-access")), NGINX), 0);
  assert.equal(agree(new BothWays(await shipped("json-lines")), JSON_LINES), 0);
  const connections = "2019.12.11, 20:47:14.0285 UTC -> Socket connected successfully\n";
  assert.equal(agree(new BothWays(await shipped("connections-log")), connections), 0);
});

const LOGFMT =
  'time="2015-03-26T01:27:38-04:00" level=debug msg="Started \\"observing\\" beach" animal=walrus number=8 cached\n' +
  "ts=2023-06-12T08:46:24.401Z caller=main.go:583 level=info msg=é= empty= @timestamp=2019-12-11T20:47:14Z\n";

test("pairs are read by the program: quotes, escapes, words without a value", async () => {
  assert.equal(agree(new BothWays(await shipped("logfmt")), LOGFMT), 0);
  // Equal keys, keys in quotes, an open quote, no pair, white space beyond ASCII behind a word, \u.
  const unusual = 'a=1 a=2\n"a b"=1\na="b\nprose\na=1 b\u00a0 c\na="\\u00e9"\nb=1 =2\n';
  assert.equal(agree(new BothWays(await shipped("logfmt")), unusual), 7);
  const types = { status: "integer", ok: "boolean", took: "float" };
  const typed = bothWays([{ type: "parse_kv", options: { types, bare_words: "skip", empty_values: "keep" } }]);
  assert.equal(agree(typed, "status=200 ok=true took=0.5 x= word\nstatus=007\nok=yes a=1\n"), 2);
  assert.equal(
    bothWays([{ type: "parse_kv", options: { pair_delimiter: "&" } }])
      .refusal()
      ?.includes("no plan"),
    true,
  );
  assert.notEqual(
    bothWays([{ type: "parse_kv" }, { type: "parse_json", options: { field: "x" } }]).refusal(),
    undefined,
  );
});

test("separated values are cut by the program; escapes, doubled quotes and other numbers of values are not", () => {
  const columns = ["time", "user.name", "", "amount", "message"];
  const options = { columns, header: "t,u,x,a,m", types: { amount: "float" } };
  const both = bothWays([{ type: "parse_csv", options }]);
  assert.equal(both.refusal(), undefined);
  assert.equal(agree(both, 't,u,x,a,m\n1,ada,-,12.5,"a, b"\n2,,-,,é\n3,"",x,1,\n'), 0);
  assert.equal(agree(both, '1,ada,-,12.5,"say ""hi"""\n1,2,3\n1,2,3,4,5,6\n1,2,3,x,5\n1,2,3,4,"5\n1,2,3,4,"5"6\n'), 6);
  const tabs = bothWays([
    { type: "parse_csv", options: { columns: ["a", "b"], delimiter: "\t", null_values: ["-", ""] } },
  ]);
  assert.equal(agree(tabs, "x\t-\n-\ty\n"), 0);
  assert.notEqual(bothWays([{ type: "parse_csv", options: { columns, trim: true } }]).refusal(), undefined);
});

test("W3C lines are cut by the header line that the source gives, another program for another line", async () => {
  const under = (header: string): Envelope => ({
    paths: [...ENVELOPE.paths, new Path("log.header")],
    values: [...ENVELOPE.values, header],
    offsetPath: ENVELOPE.offsetPath,
  });
  const both = new BothWays(await shipped("w3c"));
  assert.match(both.refusal() ?? "", /no header line/);
  for (const [header, lines, plain] of [
    ["#Fields: date time c-ip sc-status", "2018-01-01 08:09:10 ::1 404\n2018-01-01\t08:09:11\t10.0.0.7\t-\n", 0],
    ["#Fields: sc-status date time cs-uri-stem", '200 2018-01-01 08:09:10 "/a b"\n200 2018-01-01 08:09:70 /\n', 1],
    ["#Fields: date time c-ip sc-status", "#Fields: date time c-ip sc-status\n2018-01-01 08:09:10 x\n", 2],
  ] as const) {
    const batch = readBatch(Buffer.from(lines), 0, under(header));
    const [compiled, reference] = [both.run("compiled", batch), both.run("plain", batch)];
    assert.deepEqual(documentsOf(compiled), documentsOf(reference));
    assert.deepEqual(compiled.encoded.timesMs, reference.encoded.timesMs);
    assert.deepEqual(compiled.counts, reference.counts);
    assert.equal(compiled.plainLines, plain, header);
    if (plain === 0) assert.doesNotMatch(JSON.stringify(documentsOf(compiled)), /"header"/);
  }
});

test("URLs are taken apart by the program, those with users, brackets or capital schemes event by event", () => {
  const both = bothWays([{ type: "parse_url", options: { field: "message" } }]);
  assert.equal(both.refusal(), undefined);
  const plain = "/\n/a/b.html?x=1#top\nhttps://example.org:8443/.x/a.b.?q\nhttp://h\n//h:/é.ü\n/a.b/c\n?a\n".split(
    "?a\n",
  );
  assert.equal(agree(both, plain.join("")), 0);
  assert.equal(agree(both, "HTTP://h/\nhttp://u:p@h/\nhttp://[::1]/\nexample.org:443\n//h:99999/\n/a b\n\n"), 7);
});

test("CEF is read by the program: header, extensions by their types, an object of the others", () => {
  const both = bothWays([{ type: "parse_cef" }]);
  assert.equal(both.refusal(), undefined);
  const line = (extensions: string, severity = "10"): string =>
    `x CEF:0|A|b c|1.0|100|worm stopped|${severity}|${extensions}\n`;
  const usual = [
    line(
      "src=10.0.0.1 spt=01232 rt=1576097234285 act=blocked a \\= sign cs1=x y  cs2=C:\\\\z proto=TCP outcome=Success",
    ),
    line("smac=00:0a:0B:00:00:01 fileHash=00112233445566778899AABBCCDDEEFF msg=é is fine", "Very-High"),
    line("", "Unknown"),
    "CEF:1.2||||||\n",
  ].join("");
  assert.equal(agree(both, usual), 0);
  const unusual = [
    line("src=x"),
    line("a=1 a=2"),
    line("cs1=é"),
    line("rt=never"),
    line("spt=1x"),
    "CEF:x|||||||\n",
    "no\n",
  ];
  assert.equal(agree(both, unusual.join("") + "CEF:0|a\\|b||||||\n"), 8);
});

test("copies, kept and dropped fields and redacted ones are part of the program", () => {
  const both = bothWays([
    { type: "parse_nginx" },
    {
      type: "copy",
      options: { fields: { "source.address": ["client.address", "related"], "user.name": "labels.user" } },
    },
    { type: "redact", options: { fields: ["user.name", "source.address"] } },
    { type: "keep_fields", options: { fields: ["source", "client", "labels", "user", "http.response.status_code"] } },
    { type: "drop_fields", options: { fields: ["source.ip"] }, when: "user.name: *" },
  ]);
  assert.equal(both.refusal(), undefined);
  assert.equal(agree(both, NGINX), 0);
  const made = JSON.stringify(documentsOf(both.run("compiled", readBatch(Buffer.from(NGINX))))[1]);
  assert.match(made, /"user":\{"name":"\[REDACTED\]"\}/);
  assert.match(made, /"labels":\{"user":"ada"\}/);
  assert.doesNotMatch(made, /user_agent|"message"/);
});

test("in JSON lines text is redacted by the program, and what is no text event by event", () => {
  const both = bothWays([
    { type: "parse_json" },
    { type: "copy", options: { fields: { level: "labels.level", "req.method": "labels.method" }, overwrite: false } },
    { type: "redact", options: { fields: ["msg", "n"] } },
  ]);
  assert.equal(both.refusal(), undefined);
  // 1.50 is a number, and the other text has escapes.
  assert.equal(agree(both, JSON_LINES), 2);
  assert.equal(agree(both, JSON_LINES.replace('"n":1.50', '"n":"x"')), 1);
});

test("everyday stages behind a parser are part of the program", () => {
  const both = bothWays([
    { type: "parse_nginx" },
    { type: "convert", options: { fields: { "http.version": "float" } } },
    { type: "rename", options: { fields: { "user_agent.original": "agent", "source.address": "client.address" } } },
    {
      type: "set",
      options: { fields: { "labels.where": "{client.address} {http.response.status_code}", "event.kind": "event" } },
    },
    { type: "filter", options: { drop: "http.response.status_code >= 500 or url.original: /healthz*" } },
    {
      type: "parse_regex",
      options: { field: "url.original", pattern: "^(?<url.path>[^?]*)(?:\\?(?<url.query>.*))?$" },
    },
    { type: "set", options: { fields: { "event.outcome": "failure" } }, when: "http.response.status_code >= 400" },
    { type: "remove", options: { fields: ["agent"] } },
  ]);
  assert.equal(both.refusal(), undefined);
  assert.equal(agree(both, NGINX), 0);
});

test("only the lines that do not parse go the plain way, and stay in their places", async () => {
  const both = new BothWays(await shipped("nginx-access"));
  assert.equal(agree(both, NGINX + "nothing like it\n" + NGINX + "\n" + NGINX), 2);
});

test("what filters leave out is counted where it was left out", () => {
  const stages = [
    { type: "parse_json" },
    { type: "filter", options: { keep: "level: info" } },
    { type: "remove", options: { fields: ["n"] } },
  ];
  const result = bothWays(stages).run("compiled", readBatch(Buffer.from(JSON_LINES)));
  assert.equal(result.plainLines, 0);
  assert.deepEqual(
    result.counts.map(({ in: read, out, dropped }) => [read, out, dropped]),
    [
      [2, 2, 0],
      [2, 1, 1],
      [1, 1, 0],
    ],
  );
});

test("documents of several encodings are made of one run", () => {
  const encodings = [PLAIN_JSON, BULK, { kind: "json", before: '{"_id":"', after: '",' }] as const;
  const both = bothWays([{ type: "parse_nginx" }], encodings);
  assert.equal(agree(both, NGINX.repeat(700), encodings), 0);
});

test("a member that has the name of a field of the source replaces it, as it does event by event", () => {
  const both = bothWays([{ type: "parse_json" }]);
  assert.equal(agree(both, '{"host":"web1","log":"text\\n","stream":"stdout"}\n{"log":7}\n'), 0);
  assert.equal(agree(both, '{"host":{"name":"x"}}\n{"host.name":"x"}\n{"log":{"level":"info"}}\n'), 3);
});

test("JSON that JSON.parse would change is left to it", () => {
  const both = bothWays([{ type: "parse_json" }]);
  for (const line of [
    '{"a":1,"a":2}',
    '{"x":{"a":1,"a":2}}',
    '{"\\u0061":1}',
    '{"a":1e999}',
    '{"a":01}',
    '{"a":"\t"}',
    "[1]",
    '{"a":1}}',
  ])
    assert.equal(agree(both, line + "\n"), 1, line);
});

test("a line longer than the program's memory goes the plain way", () => {
  const long = JSON.stringify({ level: "x".repeat(200_000), n: 1 });
  assert.equal(agree(bothWays([{ type: "parse_json" }]), JSON_LINES + long + "\n" + JSON_LINES), 1);
  const quotes = JSON.stringify({ msg: '"'.repeat(15_000) });
  const stages = [{ type: "parse_json" }, { type: "set", options: { fields: { a: "{msg}", b: "{msg}{msg}" } } }];
  assert.equal(agree(bothWays(stages), (quotes + "\n").repeat(4)), 4);
});

test("where most lines are nothing for the program it is given a rest, and tried again", () => {
  const both = bothWays([{ type: "parse_nginx" }]);
  const nothing = readBatch(Buffer.from("no access log\n".repeat(100)));
  assert.equal(both.run("compiled", nothing).plainLines, 100);
  assert.equal(both.run("compiled", nothing).plainLines, undefined);
  for (let i = 0; i < 14; i++) both.run("compiled", nothing);
  assert.equal(both.run("compiled", readBatch(Buffer.from(NGINX))).plainLines, 0);
});

test("a pipeline that cannot be compiled says which stage is why, and runs event by event", () => {
  const both = bothWays([{ type: "parse_json" }, { type: "rename", options: { fields: { "req.method": "method" } } }]);
  assert.match(both.refusal()!, /^stage 2 rename: req.method is moved out of a JSON value$/);
  assert.equal(agree(both, JSON_LINES), undefined);
  const text = bothWays([{ type: "parse_nginx" }], [{ kind: "text" }]);
  assert.equal(text.refusal(), "there is no machine");
});

test("each partition's own fields are in its documents", () => {
  const both = bothWays([{ type: "parse_nginx" }]);
  for (const path of ["/a.log", "/b.log", '/"c".log', "/a.log"]) {
    const envelope = { ...ENVELOPE, values: [...ENVELOPE.values.slice(0, 2), path] };
    const result = both.run("compiled", readBatch(Buffer.from(NGINX), 0, envelope));
    assert.equal(result.plainLines, 0);
    for (const document of documentsOf(result)) {
      assert.equal((document as { log: { file: { path: string } } }[])[1]!.log.file.path, path);
    }
  }
});
