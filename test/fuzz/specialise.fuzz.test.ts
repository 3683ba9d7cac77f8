import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodingKey, type EncodedBatch } from "../../src/core/batch.ts";
import type { Envelope } from "../../src/core/event.ts";
import { Path } from "../../src/core/path.ts";
import { BothWays, BULK, ENVELOPE, PLAIN_JSON, readBatch, stageConfig, type StageText } from "../support/pipelines.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

/**
 * Random pipelines over random lines, once compiled and once event by event: the documents (as JSON), their offsets and
 * times, what stages count and the dead letters must be the same.
 */
const ENCODINGS = [BULK, PLAIN_JSON];

const character = fc.constantFrom(
  ...[
    "a",
    "k",
    "Z",
    "0",
    "9",
    " ",
    " ",
    '"',
    "\\",
    "\\x22",
    "\\xC3\\xA9",
    "\\xff",
    "\\u00e9",
    "\\n",
    "\t",
    "\u0001",
    "\u007f",
  ],
  ...["é", "日", "\u2028", "\u00a0", "😀", "/", "{", "}", "[", "]", ":", ",", "-", ".", "=", "x".repeat(40)],
);
const wild = fc.string({ unit: character, maxLength: 10 });
const word = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "GET",
      "200",
      "404",
      "-",
      "",
      "info",
      "warn",
      "true",
      "0",
      "007",
      "-5",
      "1.5",
      "1e3",
      "12345678901234567",
    ),
  },
  { weight: 2, arbitrary: wild },
);
const address = fc.oneof(fc.ipV4(), fc.ipV6(), word);
const time = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .date({ min: new Date("1969-01-01"), max: new Date("2040-01-01"), noInvalidDate: true })
      .map((date) => date.toISOString()),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.nat(3), fc.nat(999_999))
      .map(([second, micros]) => `2019-12-11T20:47:1${second}.${String(micros).padStart(6, "0")}Z`),
  },
  { weight: 3, arbitrary: fc.nat(1999).map((ms) => `2019-12-11T20:47:14.${ms}+01:00`) },
  fc.nat(2_000_000_000).map(String),
  fc.nat(2_000_000_000).map((ms) => String(1_576_097_234_000 + ms)),
  fc.nat(9999).map((n) => `20:47:14.${String(n).padStart(4, "0")} UTC`),
  word,
);
const NGINX_MONTHS = ["Jan", "Feb", "Dec", "Xyz"];
const nginxTime = fc
  .tuple(fc.nat(32), fc.constantFrom(...NGINX_MONTHS), fc.nat(61), fc.constantFrom("+0000", "+0130", "-0800"))
  .map(
    ([day, month, second, zone]) =>
      `${String(day).padStart(2, "0")}/${month}/2019:20:47:${String(second).padStart(2, "0")} ${zone}`,
  );
const request = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom("GET", "POST"), wild)
      .map(([method, url]) => `${method} /${url.replaceAll(" ", "")} HTTP/1.1`),
  },
  wild,
);
const combined = fc
  .tuple(address, word, nginxTime, request, word, fc.oneof(fc.nat(600).map(String), word), word, wild)
  .map(
    ([ip, user, at, what, status, bytes, referrer, agent]) =>
      `${ip} - ${user} [${at}] "${what}" ${status} ${bytes} "${referrer}" "${agent}"`,
  );
const timed = fc
  .tuple(
    address,
    fc.constantFrom("0.250", "-", "12.003", "x"),
    fc.constantFrom("0.1, 0.2", "-", "0.5 : 0.7", "1"),
    fc.constantFrom("example.org:8080", "[::1]:80", "h"),
  )
  .map(([ip, took, upstream, host]) => `${ip} ${took} ${upstream} ${host}`);

const KEYS = [
  "level",
  "ts",
  "msg",
  "message",
  "status",
  "log",
  "host",
  "log.level",
  "a.b",
  "a",
  "error",
  "@timestamp",
  "event",
  "é",
  "__proto__",
  "user",
];
const scalar: fc.Arbitrary<unknown> = fc.oneof(
  word,
  wild,
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
  time,
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  {
    weight: 2,
    arbitrary: fc.dictionary(fc.constantFrom("b", "c", "message", "level", "b.c", "file"), scalar, { maxKeys: 3 }),
  },
);
const object = fc.array(fc.tuple(fc.constantFrom(...KEYS), value), { maxLength: 7 });
/** Objects with their members in random order, perhaps twice, with spaces or without. */
const json = fc.tuple(object, fc.constantFrom("", " "), fc.boolean()).map(([members, space, escaped]) => {
  const distinct = Math.abs(members.length) % 5 === 4 ? members : [...new Map(members)];
  const text = `{${distinct.map(([key, inner]) => `${JSON.stringify(key)}:${space}${JSON.stringify(inner) ?? "null"}`).join("," + space)}}`;
  return escaped ? text.replace(/é/g, "\\u00e9").replaceAll("/", "\\/") : text;
});
const pairs = fc
  .tuple(time, word, word, wild)
  .map(([at, level, user, message]) => `${at} ${level} user=${user}: ${message}`);
const usual = <T>(weight: number, most: fc.Arbitrary<T>, rest: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: most }, { weight: 1, arbitrary: rest });
const solid = word.map((text) => text.replace(/[\s"\\]/g, ""));
/** Pairs of keys and values; quoted, escaped, with spaces and words between. */
const logfmt = fc
  .uniqueArray(
    fc.tuple(
      fc.constantFrom(...KEYS, "x", "time"),
      usual(
        6,
        fc.oneof(
          solid,
          time.map((text) => text.replaceAll(" ", "")),
        ),
        wild,
      ),
      usual(6, fc.constantFrom("plain", "quoted"), fc.constantFrom("raw", "bare")),
    ),
    { maxLength: 7, selector: ([key]) => key },
  )
  .chain((parts) =>
    fc
      .tuple(
        fc.constantFrom(" ", " ", "  ", "\t"),
        usual(8, fc.constant(""), fc.oneof(wild, fc.constantFrom(' "b c"=d', " =x", " k='v w'", " a=1 a=2"))),
      )
      .map(
        ([space, more]) =>
          parts
            .map(([key, text, how]) => {
              if (how === "bare") return key;
              return how === "quoted" ? `${key}="${text.replaceAll('"', '\\"')}"` : `${key}=${text}`;
            })
            .join(space) + more,
      ),
  );
const cell = fc.oneof(
  { weight: 20, arbitrary: word.map((text) => text.replace(/[,"\\\s]/g, "")) },
  { weight: 3, arbitrary: wild.map((text) => `"${text.replaceAll('"', '""')}"`) },
  wild,
);
const cells = (delimiter: string): fc.Arbitrary<string> =>
  usual(9, fc.array(cell, { minLength: 3, maxLength: 3 }), fc.array(cell, { maxLength: 4 })).map((values) =>
    values.join(delimiter),
  );
const url = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        "",
        "",
        "",
        "http://example.org",
        "https://h:8443",
        "HTTP://H",
        "//h:",
        "ftp://u:p@h",
        "http://[::1]:80",
      ),
      fc.constantFrom("", "/", "/a/b.html", "/a.b/c", "/.x", "/a.b.", "/é.ü", "/ä/日.本", "x"),
      fc.constantFrom("", "?", "?a=1&b=/x.y", "?a#", "#top", "?x#y?z"),
    )
    .map((parts) => parts.join("")),
  fc.constantFrom("example.org:443", "mailto:a@b", "/a b", "h:99999", "//h:70000/x", "/a\u007f"),
  fc.string({ unit: fc.constantFrom("/", ".", "?", "#", ":", "a", "é", "@", "1", "[", "]"), maxLength: 12 }),
);
/** What each may hold. */
const CEF_FITTING: Readonly<Record<string, string>> = {
  ...{ src: "10.0.0.7", spt: "0080", proto: "TCP", rt: "1576097234285", smac: "00:0a:0B:00:00:01", outcome: "Success" },
  fileHash: "00112233445566778899AABBCCDDEEFF",
};
const CEF_KEYS = ["src", "spt", "act", "proto", "msg", "rt", "smac", "outcome", "cs1", "cs1.x", "request", "fileHash"];
const cefValue = usual(12, solid, wild);
const CEF_VALUES = fc.oneof(
  cefValue,
  fc.constantFrom("10.0.0.7", "::1", "TCP", "1576097234285", "Dec 11 2019 20:47:14", "0080", "00:0a:0B:00:00:01"),
  fc.constantFrom("Success", "a \\= b", "C:\\\\x", "one\\ntwo", "é", "x\u00a0"),
);
const cef = fc
  .tuple(
    fc.constantFrom("", "<13>Dec 11 gate ", "C CEF ", "é "),
    usual(9, fc.constantFrom("0", "1.2", " 0 "), fc.constantFrom("x", "")),
    fc.array(usual(30, fc.constantFrom("Security", "threat manager", " 100 ", ""), fc.constantFrom("a\\|b", "é")), {
      minLength: 5,
      maxLength: 5,
    }),
    fc.constantFrom("10", "5", "High", "very-high", "constructor", "", "007"),
    fc.uniqueArray(fc.tuple(fc.constantFrom(...CEF_KEYS), fc.nat(9)), { maxLength: 5, selector: ([key]) => key }),
    fc.array(CEF_VALUES, { minLength: 5, maxLength: 5 }),
    fc.constantFrom("|", "|", "| ", "", "|words "),
  )
  .map(([before, version, parts, severity, keys, values, bar]) => {
    const extensions = keys.map(([key, how], i) => `${key}=${how > 1 ? (CEF_FITTING[key] ?? values[i]!) : values[i]!}`);
    return `${before}CEF:${version}|${parts.join("|")}|${severity}${bar}${extensions.join(" ")}`;
  });
/** Lines under a header line, as the file source gives it. */
const underHeader = (header: string): Envelope => ({
  paths: [...ENVELOPE.paths, new Path("log.header")],
  values: [...ENVELOPE.values, header],
  offsetPath: ENVELOPE.offsetPath,
});
const w3c = fc
  .tuple(
    usual(9, fc.constant("2019-12-11"), fc.constantFrom("-", '"2019-12-11"', "20191211")),
    fc.nat(61).map((second) => `20:47:${String(second).padStart(2, "0")}`),
    usual(5, solid, fc.oneof(word, fc.constantFrom('"a b"', '"a ""b"', "-", 'x"y'))),
    usual(9, fc.nat(600).map(String), word),
    usual(9, fc.constantFrom(" ", "\t"), fc.constant("  ")),
  )
  .map(([date, at, text, status, delimiter]) => [date, at, text, status].join(delimiter));
const anything = fc.oneof(
  fc.string(),
  wild,
  fc.constant("{}"),
  fc.constant(""),
  fc.constant("null"),
  fc.constant('{"a":1}x'),
);

const FIELDS = [
  "level",
  "log.level",
  "user",
  "user.name",
  "status",
  "http.response.status_code",
  "a",
  "a.b",
  "message",
  "event.kind",
  "msg",
  "labels.x",
  "source.ip",
];
const name = fc.constantFrom(...FIELDS);
const kql = fc.oneof(
  fc
    .tuple(name, fc.constantFrom("info", "200", "true", "GET", '"a b"', "i*", "*o", "*a*", "*"))
    .map(([field, text]) => `${field}: ${text}`),
  fc
    .tuple(name, fc.constantFrom("<", "<=", ">", ">="), fc.constantFrom("300", "-1", "1.5"))
    .map(([field, operator, number]) => `${field} ${operator} ${number}`),
);
const condition = fc.oneof(
  { weight: 3, arbitrary: kql },
  fc.tuple(kql, kql).map(([a, b]) => `${a} and not ${b}`),
  fc.tuple(kql, kql).map(([a, b]) => `${a} or ${b}`),
  fc.constant("not error.message: *"),
);
const setting = fc.oneof(
  fc.constantFrom<unknown>("x", 7, true, null, ["web"], { k: 1 }, 'a "quoted" é'),
  name.map((field) => `{${field}}`),
  name.map((field) => `<{${field}}> {${field}}`),
);
const TIME_FORMATS = ["iso8601", "epoch_s", "epoch_ms", "%Y-%m-%dT%H:%M:%S.%fZ", "%H:%M:%S.%4L UTC"];
const stage: fc.Arbitrary<StageText> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ fields: fc.dictionary(name, setting, { minKeys: 1, maxKeys: 3 }), overwrite: fc.boolean() })
      .map((options) => ({ type: "set", options })),
  },
  fc
    .tuple(name, name)
    .filter(([from, to]) => from !== to)
    .map(([from, to]) => ({ type: "rename", options: { fields: { [from]: to } } })),
  fc.array(name, { minLength: 1, maxLength: 2 }).map((fields) => ({ type: "remove", options: { fields } })),
  fc.array(name, { minLength: 1, maxLength: 2 }).map((fields) => ({ type: "drop_fields", options: { fields } })),
  fc.array(name, { minLength: 1, maxLength: 4 }).map((fields) => ({ type: "keep_fields", options: { fields } })),
  fc
    .array(name, { minLength: 1, maxLength: 2 })
    .map((fields) => ({ type: "redact", options: { fields, replacement: 'a "b" é' } })),
  fc
    .record({
      fields: fc.dictionary(name, name, { minKeys: 1, maxKeys: 2 }),
      overwrite: fc.boolean(),
      ignore_missing: fc.boolean(),
    })
    .filter(({ fields: moves }) => {
      const targets = Object.values(moves);
      return new Set(targets).size === targets.length && Object.entries(moves).every(([from, to]) => from !== to);
    })
    .map((options) => ({ type: "copy", options })),
  fc
    .dictionary(name, fc.constantFrom("integer", "float", "boolean", "string", "ip"), { minKeys: 1, maxKeys: 2 })
    .map((fields) => ({ type: "convert", options: { fields } })),
  condition.map((keep) => ({ type: "filter", options: { keep } })),
  condition.map((drop) => ({ type: "filter", options: { drop } })),
  fc
    .tuple(
      fc.constantFrom("ts", "message", "level"),
      fc.array(fc.constantFrom(...TIME_FORMATS), { minLength: 1, maxLength: 3 }),
      fc.constantFrom("@timestamp", "labels.at"),
      fc.boolean(),
    )
    .map(([field, formats, target, remove_field]) => ({
      type: "parse_timestamp",
      options: { field, formats, target, remove_field },
    })),
  fc
    .tuple(
      name,
      fc.constantFrom(
        "^(?<labels.first>\\S+) (?<labels.rest>.*)$",
        "(?<user.name>[a-z]+)=(?<labels.x>[^ ]*)",
        "^(?<message>.+?)(?:-(?<labels.x>\\d{1,3}))?$",
      ),
      fc.boolean(),
    )
    .map(([field, pattern, keep_original]) => ({ type: "parse_regex", options: { field, pattern, keep_original } })),
);
const staged = fc
  .tuple(stage, fc.option(condition, { nil: undefined }), fc.constantFrom("keep", "drop", "dead_letter"))
  .map(([one, when, onError]) => ({ ...one, when, onError }));
type First = readonly [stages: StageText[], line: fc.Arbitrary<string>, envelope?: Envelope];
const COLUMNS = ["source.ip", "status", "message"];
const HEADERS = [
  "#Fields: date time cs-host sc-status",
  "#Fields: date time a b",
  "#Fields: time date x y",
  "#Fields: x",
];
const first: fc.Arbitrary<First> = fc.constantFrom<First>(
  [[{ type: "parse_nginx" }], combined],
  [[{ type: "parse_nginx", options: { keep_original: true } }], combined],
  [
    [{ type: "parse_nginx", options: { format: "$remote_addr $request_time $upstream_response_time $http_host" } }],
    timed,
  ],
  [[{ type: "parse_json" }], json],
  [
    [
      { type: "parse_json", options: { keep_original: true } },
      { type: "parse_timestamp", options: { field: "ts", formats: ["iso8601", "epoch_s", "epoch_ms"] }, when: "ts: *" },
    ],
    json,
  ],
  [[{ type: "set", options: { fields: { "event.kind": "event", level: "none" } } }, { type: "parse_json" }], json],
  [
    [
      {
        type: "parse_regex",
        options: { pattern: "^(?<ts>\\S+) (?<log.level>\\w*) user=(?<user.name>[^:]*): (?<message>.*)$" },
      },
    ],
    pairs,
  ],
  [
    [
      {
        type: "parse_regex",
        options: {
          pattern: [
            "^(?<ts>[0-9T:.Z-]+) (?:(?<log.level>info|warn)|(?<labels.x>\\S*)) (?<message>.*)",
            "^(?<ts>[^ ]+?) (?<message>.*)$",
          ],
        },
      },
    ],
    pairs,
  ],
  [[{ type: "parse_kv" }], logfmt],
  [[{ type: "parse_kv", options: { bare_words: "skip", empty_values: "keep", keep_original: true } }], logfmt],
  [[{ type: "parse_kv", options: { quotes: "", duplicates: "last", key_value_delimiter: ":" } }], logfmt],
  [
    [
      { type: "set", options: { fields: { "event.kind": "event", msg: "none" } } },
      { type: "parse_kv", options: { types: { status: "integer", level: "boolean", a: "float", user: "ip" } } },
    ],
    logfmt,
  ],
  [[{ type: "parse_csv", options: { columns: COLUMNS, header: "ip,status,text" } }], cells(",")],
  [
    [
      {
        type: "parse_csv",
        options: { columns: COLUMNS, types: { status: "integer", "source.ip": "ip" }, null_values: ["", "-"] },
      },
    ],
    cells(","),
  ],
  [[{ type: "parse_csv", options: { columns: COLUMNS, null_values: [], delimiter: "\t", quote: "" } }], cells("\t")],
  [
    [
      {
        type: "parse_csv",
        options: { columns: ["level", "", "a.b"], escape: "\\", strict: false, keep_original: true },
      },
    ],
    cells(","),
  ],
  [[{ type: "parse_url", options: { field: "message" } }], url],
  [[{ type: "parse_url", options: { field: "message", keep_field: false, target: "labels" } }], url],
  [[{ type: "parse_nginx" }, { type: "parse_url" }], combined],
  [[{ type: "parse_cef" }], cef],
  [[{ type: "parse_cef", options: { keep_original: true } }], cef],
  [[{ type: "set", options: { fields: { "event.action": "x", level: "y" } } }, { type: "parse_cef" }], cef],
  ...HEADERS.map((header): First => [[{ type: "parse_w3c" }], w3c, underHeader(header)]),
  [[], pairs],
);

let compiledLines = 0;
let plainLines = 0;

test("a compiled pipeline makes the same documents, counts and dead letters as its stages do event by event", () => {
  const property = fc.property(
    first.chain(([stages, line, envelope = ENVELOPE]) =>
      fc.record({
        envelope: fc.constant(envelope),
        stages: fc.array(staged, { maxLength: 5 }).map((more) => [...stages, ...more]),
        lines: fc.array(fc.oneof({ weight: 12, arbitrary: line }, anything), { minLength: 1, maxLength: 12 }),
        from: fc.nat(1e12),
      }),
    ),
    ({ stages, lines, from, envelope }) => {
      const both = new BothWays(stages.map(stageConfig), ENCODINGS);
      if (both.refusal(envelope) !== undefined) return;
      const bytes = Buffer.from(lines.map((line) => line.replaceAll("\n", "") + "\n").join(""));
      for (let round = 0; round < 2; round++) {
        const batch = readBatch(bytes, from + round, envelope);
        const compiled = both.run("compiled", batch);
        const plain = both.run("plain", batch);
        assert.deepEqual(documents(compiled.encoded), documents(plain.encoded));
        assert.deepEqual([...compiled.encoded.offsets], [...plain.encoded.offsets]);
        assert.deepEqual([...compiled.encoded.timesMs], [...plain.encoded.timesMs]);
        assert.deepEqual(compiled.counts, plain.counts);
        assert.deepEqual(compiled.deadLetters, plain.deadLetters);
        plainLines += compiled.plainLines ?? batch.count;
        compiledLines += batch.count - (compiled.plainLines ?? batch.count);
      }
    },
  );
  fc.assert(property, {
    interruptAfterTimeLimit: FUZZ_MS,
    markInterruptAsFailure: false,
    numRuns: 1_000_000,
    includeErrorInReport: true,
  });
});

test("in that test most lines that a program can take are taken by it", () => {
  assert.ok(compiledLines >= plainLines / 4, `${compiledLines} compiled, ${plainLines} plain`);
});

const atom = fc.constantFrom(
  ...[
    "a",
    "b",
    "é",
    " ",
    ".",
    "\\d",
    "\\S",
    "\\s",
    "\\w",
    "[^ ]",
    '[^"]',
    "[^ab]",
    "[a-c]",
    "[^é]",
    "\\.",
    "=",
    "\\W",
    "[\\d.]",
    "[^]",
  ],
);
const quantifier = fc.constantFrom("", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}");
const piece: fc.Arbitrary<string> = fc.tuple(atom, quantifier).map(([what, how]) => what + how);
const { expression } = fc.letrec<{ expression: string; term: string }>((tie) => ({
  expression: fc.array(tie("term"), { minLength: 1, maxLength: 4 }).map((terms) => terms.join("")),
  term: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    piece,
    fc
      .tuple(fc.constantFrom("(", "(?:"), tie("expression"), quantifier)
      .map(([open, inner, how]) => `${open}${inner})${how}`),
    fc
      .tuple(fc.constantFrom("(", "(?:"), tie("expression"), tie("expression"))
      .map(([open, a, b]) => `${open}${a}|${b})`),
  ),
}));
const subject = fc.string({
  unit: fc.constantFrom("a", "b", "c", "é", "日", "😀", " ", ".", "=", "1", '"', "\u2028", "\u00a0", "\t", "-"),
  maxLength: 14,
});

test("a regular expression in a program finds what JavaScript's finds", () => {
  let compared = 0;
  const property = fc.property(
    expression,
    fc.boolean(),
    fc.boolean(),
    fc.array(subject, { minLength: 1, maxLength: 6 }),
    (source, begins, ends, lines) => {
      // Groups get names, so that they give fields.
      let groups = 0;
      const named = source.replace(/\((?!\?)/g, () => `(?<g.f${++groups}>`);
      const pattern = `${begins ? "^" : ""}(?<g.all>${named})${ends ? "$" : ""}`;
      try {
        new RegExp(source);
      } catch {
        return;
      }
      const options = { pattern, allow_backtracking: true };
      const both = new BothWays([stageConfig({ type: "parse_regex", options })]);
      if (both.refusal() !== undefined) return;
      const batch = readBatch(Buffer.from(lines.map((line) => line + "\n").join("")));
      const compiled = both.run("compiled", batch);
      assert.deepEqual(
        documents(compiled.encoded, [BULK]),
        documents(both.run("plain", batch).encoded, [BULK]),
        pattern,
      );
      compared += batch.count - (compiled.plainLines ?? batch.count);
    },
  );
  fc.assert(property, {
    interruptAfterTimeLimit: FUZZ_MS,
    markInterruptAsFailure: false,
    numRuns: 1_000_000,
    includeErrorInReport: true,
  });
  assert.ok(compared > FUZZ_MS / 200, `${compared} lines matched by a program`);
});

function documents(batch: EncodedBatch, encodings = ENCODINGS): unknown[] {
  return encodings.flatMap((encoding) => {
    const { bytes, offsets } = batch.bodies.get(encodingKey(encoding))!;
    assert.equal(offsets.length, batch.count + 1);
    assert.equal(offsets[batch.count], bytes.length);
    return Array.from({ length: batch.count }, (_, i) => {
      const text = bytes.toString("utf8", offsets[i], offsets[i + 1]);
      assert.ok(text.endsWith("}\n"));
      return text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown);
    });
  });
}
