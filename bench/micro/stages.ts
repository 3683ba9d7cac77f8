/**
 * What stages cost an event, in nanoseconds of CPU: `node dist/bench/micro/stages.js [lines]`. Lines are like those of an
 * access log and of connections.log, each a slice of one large string, as a source hands them over.
 */
import { LogEvent, type Envelope } from "../../src/core/event.ts";
import { Path } from "../../src/core/path.ts";
import { StageFailure, type AnyStage, type Stage } from "../../src/core/component.ts";
import { copy } from "../../src/stages/copy/index.ts";
import { dedupe } from "../../src/stages/dedupe/index.ts";
import { dropFields } from "../../src/stages/drop_fields/index.ts";
import { flatten } from "../../src/stages/flatten/index.ts";
import { keepFields } from "../../src/stages/keep_fields/index.ts";
import { lookup } from "../../src/stages/lookup/index.ts";
import { parseCef } from "../../src/stages/parse_cef/index.ts";
import { parseCsv } from "../../src/stages/parse_csv/index.ts";
import { parseDissect } from "../../src/stages/parse_dissect/index.ts";
import { parseGrok } from "../../src/stages/parse_grok/index.ts";
import { parseJson } from "../../src/stages/parse_json/index.ts";
import { parseKv } from "../../src/stages/parse_kv/index.ts";
import { parseNginx } from "../../src/stages/parse_nginx/index.ts";
import { parseRegex } from "../../src/stages/parse_regex/index.ts";
import { parseSyslog } from "../../src/stages/parse_syslog/index.ts";
import { parseTimestamp } from "../../src/stages/parse_timestamp/index.ts";
import { redact } from "../../src/stages/redact/index.ts";
import { route } from "../../src/stages/route/index.ts";
import { sample } from "../../src/stages/sample/index.ts";
import { throttle } from "../../src/stages/throttle/index.ts";
import { parseUrl } from "../../src/stages/parse_url/index.ts";
import { split } from "../../src/stages/split/index.ts";
import { MADE_LINES } from "./made-lines.ts";

const count = Number(process.argv[2] ?? 200_000);
const envelope: Envelope = { paths: [new Path("host.name")], values: ["bench"], offsetPath: new Path("log.offset") };
function linesOf(make: (i: number) => string): string[] {
  const made = Array.from({ length: count }, (_, i) => make(i));
  const text = made.join("\n");
  let at = 0;
  return made.map((line) => text.slice(at, (at += line.length + 1) - 1));
}

function measure(title: string, lines: readonly string[], stages: readonly Stage[]): void {
  let best = Infinity;
  let failed = 0;
  for (let round = 0; round < 5; round++) {
    failed = 0;
    const before = process.cpuUsage();
    for (let i = 0; i < lines.length; i++) {
      const event = new LogEvent(lines[i]!, 0, i, envelope);
      for (let s = 0; s < stages.length; s++) if (stages[s]!.apply(event) instanceof StageFailure) failed++;
    }
    const used = process.cpuUsage(before);
    best = Math.min(best, ((used.user + used.system) * 1000) / lines.length);
  }
  console.log(`${title.padEnd(44)} ${best.toFixed(0).padStart(6)} ns/event${failed > 0 ? `  (${failed} failed)` : ""}`);
}

const make = (definition: AnyStage, options: unknown): Stage =>
  definition.create(options, { now: Date.now, baseDir: "." });
const base = { field: "message", keep_original: false };
const nginx = linesOf(MADE_LINES["nginx"]!);
const connections = linesOf(MADE_LINES["connections"]!);
const json = linesOf(MADE_LINES["json"]!);
const own = (name: string): readonly string[] => linesOf(MADE_LINES[name]!);
const timestamp = { target: "@timestamp", remove_field: true };

measure("event only", nginx, []);
measure("parse_nginx combined, with its time", nginx, [make(parseNginx, { ...base, format: "combined" })]);
measure("the same, original kept", nginx, [make(parseNginx, { ...base, format: "combined", keep_original: true })]);
const pattern = "^(?<time>[0-9.]+, [0-9:]+\\.\\d{4} UTC) -> (?<message>.*)$";
measure("parse_regex connections", connections, [make(parseRegex, { ...base, pattern, allow_backtracking: false })]);
measure("parse_regex + parse_timestamp connections", connections, [
  make(parseRegex, { ...base, pattern, allow_backtracking: false }),
  make(parseTimestamp, { ...timestamp, field: "time", formats: ["%Y.%m.%d, %H:%M:%S.%4L UTC"] }),
]);
measure("parse_json", json, [make(parseJson, base)]);
measure("parse_json + parse_timestamp", json, [
  make(parseJson, base),
  make(parseTimestamp, { ...timestamp, field: "ts", formats: ["iso8601"] }),
]);

/** Each of these behind parse_json, or on the line itself: take the figure of that off. */
const parsed = make(parseJson, base);
const redaction = {
  ...{ patterns: [], regexes: [], action: "replace", replacement: "[REDACTED]", mask_character: "*" },
  ...{ keep_first: 0, keep_last: 0, hash_length: 32, allow_backtracking: false },
};
const remembered = { window_seconds: 60, max_keys: 10_000 };
const BEHIND_JSON: readonly (readonly [title: string, stage: Stage])[] = [
  [
    "copy",
    make(copy, { fields: { "req.remote": "source.ip", level: "log.level" }, overwrite: true, ignore_missing: true }),
  ],
  ["drop_fields", make(dropFields, { fields: ["pid", "logger"], except: [], empty: false })],
  ["drop_fields with a pattern", make(dropFields, { fields: ["*.ua", "pid"], except: [], empty: false })],
  ["keep_fields", make(keepFields, { fields: ["msg", "level", "req.method", "res"] })],
  ["flatten", make(flatten, { separator: "_", arrays: "keep" })],
  ["redact, a whole field", make(redact, { ...redaction, fields: ["msg"] })],
  ["sample by a key", make(sample, { rate: 10, key: ["req.url"], seed: "" })],
  ["throttle by a key", make(throttle, { ...remembered, limit: 5, key: ["req.remote"] })],
  ["dedupe by two fields", make(dedupe, { ...remembered, fields: ["msg", "req.url"] })],
  [
    "lookup of an address in networks",
    make(lookup, {
      ...{ file: "examples/lookup/networks.csv", field: "req.remote", key: "ip", fields: { zone: "network.name" } },
      ...{ with: [], matches: "first", join: "left", otherwise: {}, reload_seconds: 60, max_bytes: 1_000_000 },
    }),
  ],
  [
    "route, two rules",
    make(route, { rules: ["res.status >= 500", "level: warn"].map((when) => ({ when, to: ["a"] })) }),
  ],
];
for (const [title, stage] of BEHIND_JSON) measure(`parse_json + ${title}`, json, [parsed, stage]);
const common = ["email", "credit_card", "ip", "bearer_token"];
measure("redact: email in a line", nginx, [make(redact, { ...redaction, fields: ["message"], patterns: ["email"] })]);
measure("redact: email, card, IP, bearer in a line", nginx, [
  make(redact, { ...redaction, fields: ["message"], patterns: common }),
]);
measure("sample a line", nginx, [make(sample, { rate: 10, seed: "" })]);
measure("dedupe a line", nginx, [make(dedupe, remembered)]);
const kv = { key_value_delimiter: "=", pair_delimiter: " ", quotes: "\"'", types: {} };
const pairs = { ...base, ...kv, bare_words: "true", duplicates: "list", empty_values: "skip" };
measure("parse_kv, 8 pairs", own("logfmt"), [make(parseKv, pairs)]);
const columns = ["time", "source.ip", "http.request.method", "url.path", "status", "message", "bytes"];
const csv = { delimiter: ",", quote: '"', escape: "", trim: false, null_values: [""], strict: true, types: {} };
measure("parse_csv, 7 columns", own("csv"), [make(parseCsv, { ...base, ...csv, columns })]);
measure("parse_dissect, 5 keys", own("dissect"), [
  make(parseDissect, { ...base, pattern: "%{source.ip} [%{time}] %{thread} %{log.level} %{message}" }),
]);
const splitting = make(split, { field: "message", delimiter: ";", merge: false });
const grok = { ...base, pattern_definitions: {}, allow_backtracking: false };
measure("parse_grok COMBINEDAPACHELOG", nginx, [make(parseGrok, { ...grok, pattern: "^%{COMBINEDAPACHELOG}$" })]);
const syslog = { ...base, format: "auto", zone: "UTC" };
measure("parse_syslog, a line of a file", own("syslog"), [make(parseSyslog, syslog)]);
measure("parse_syslog RFC 5424, structured data", own("rfc5424"), [make(parseSyslog, syslog)]);
measure("parse_cef, 6 extensions", own("cef"), [make(parseCef, { ...base, zone: "UTC" })]);
measure("parse_nginx + parse_url", nginx, [
  make(parseNginx, { ...base, format: "combined" }),
  make(parseUrl, { field: "url.original", target: "url", keep_field: true }),
]);
measure("split of a line into 4 events", own("list"), [
  { apply: (event) => (Array.isArray(splitting.apply(event)) ? undefined : new StageFailure("is one")) },
]);
