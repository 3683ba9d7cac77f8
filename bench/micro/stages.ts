/**
 * What stages cost an event, in nanoseconds of CPU: `node dist/bench/micro/stages.js [lines]`. Lines are like those of an
 * access log and of connections.log, each a slice of one large string, as a source hands them over.
 */
import { LogEvent, type Envelope } from "../../src/core/event.ts";
import { Path } from "../../src/core/path.ts";
import type { AnyStage, Stage } from "../../src/core/component.ts";
import { parseJson } from "../../src/stages/parse_json/index.ts";
import { parseNginx } from "../../src/stages/parse_nginx/index.ts";
import { parseRegex } from "../../src/stages/parse_regex/index.ts";
import { parseTimestamp } from "../../src/stages/parse_timestamp/index.ts";

const count = Number(process.argv[2] ?? 200_000);
const envelope: Envelope = { paths: [new Path("host.name")], values: ["bench"], offsetPath: new Path("log.offset") };
const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "curl/8.5.0",
  "-",
  "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
];
const START = Date.parse("2019-12-11T20:47:14Z");
const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

function clock(ms: number): string {
  const iso = new Date(ms).toISOString();
  const month = MONTHS.slice(Number(iso.slice(5, 7)) * 3 - 3, Number(iso.slice(5, 7)) * 3);
  return `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}

const MAKERS: Readonly<Record<string, (i: number) => string>> = {
  nginx: (i) =>
    `${10 + (i % 90)}.${i % 256}.7.${i % 200} - ${i % 15 === 0 ? "user7" : "-"} [${clock(START + Math.floor(i / 250) * 1000)}] "GET /api/v1/items/${i}?rid=${i.toString(16).padStart(8, "0")} HTTP/1.1" ${i % 20 === 0 ? 404 : 200} ${i % 9000} "${i % 3 === 0 ? "https://www.example.com/" : "-"}" "${AGENTS[i % 4]!}"`,
  connections: (i) => {
    const iso = new Date(START + i * 5).toISOString();
    return `${iso.slice(0, 10).replaceAll("-", ".")}, ${iso.slice(11, 19)}.0${iso.slice(20, 23)} UTC -> Socket connected successfully`;
  },
  json: (i) =>
    JSON.stringify({
      ts: new Date(START + i * 5).toISOString(),
      level: "info",
      logger: "http.server",
      pid: 4711,
      msg: "request done",
      req: { method: "GET", url: `/api/v1/items?rid=${i}`, proto: "1.1", remote: "10.0.0.1", user: "-", ua: AGENTS[0] },
      res: { status: 200, bytes: i % 9000, ms: 12.5 },
    }),
};

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
      for (let s = 0; s < stages.length; s++) if (stages[s]!.apply(event) !== undefined) failed++;
    }
    const used = process.cpuUsage(before);
    best = Math.min(best, ((used.user + used.system) * 1000) / lines.length);
  }
  console.log(`${title.padEnd(44)} ${best.toFixed(0).padStart(6)} ns/event${failed > 0 ? `  (${failed} failed)` : ""}`);
}

const make = (definition: AnyStage, options: unknown): Stage =>
  definition.create(options, { now: Date.now, baseDir: "." });
const base = { field: "message", keep_original: false };
const nginx = linesOf(MAKERS["nginx"]!);
const connections = linesOf(MAKERS["connections"]!);
const json = linesOf(MAKERS["json"]!);
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
