import { UNFIT, type RegexPattern, type TextCapture, type TimeReader } from "../../core/plan.ts";
import { compileTimeFormats } from "../time/format.ts";
import { SYSLOG_PRIORITIES } from "./priority.ts";
import { parseStructuredData } from "./structured-data.ts";

/** The shapes of syslog lines: by RFC, or whichever fits. */
export const SYSLOG_FORMATS = ["auto", "rfc3164", "rfc5424"] as const;
export type SyslogFormat = (typeof SYSLOG_FORMATS)[number];

export interface SyslogPatternOptions {
  readonly format: SyslogFormat;
  /** Zone of times that name none. */
  readonly zone: string;
  /** The clock, in milliseconds: for times without a year. */
  readonly now: () => number;
}

/** A group of a pattern and what it gives. */
type Part = readonly [source: string, give: readonly (readonly [field: string, take: TextCapture["take"]])[] | "time"];

type Fields = Exclude<Part[1], "time">;

const PRIORITY = "\\d{1,2}|1[0-8]\\d|19[01]";
const PRIORITY_FIELDS: Fields = [
  ["log.syslog.priority", "integer"],
  ["log.syslog.facility", (text) => SYSLOG_PRIORITIES[Number(text)]?.facility],
  ["log.syslog.severity", (text) => SYSLOG_PRIORITIES[Number(text)]?.severity],
  ["log.level", (text) => SYSLOG_PRIORITIES[Number(text)]?.severity.name],
];
const TIME = "[A-Z][a-z]{2} +\\d{1,2} (?:\\d{4} )?\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?|\\d{4}-\\d\\d-\\d\\dT[^ ]+";
const APP_FIELDS: Fields = [
  ["log.syslog.appname", "present"],
  ["process.name", "present"],
];
const PROCESS_FIELDS: Fields = [
  ["log.syslog.procid", "present"],
  ["process.pid", "integer"],
];
const HOST: Part = ["[^ ]+", [["log.syslog.hostname", "present"]]];
const APP: Part = ["[^ :\\[\\]]+", APP_FIELDS];
const PROCESS: Part = ["[\\w.-]+", PROCESS_FIELDS];
const MESSAGE: Part = ["[^]+", [["message", "text"]]];

/**
 * The patterns that lines of a format are matched with, in order, and the fields they give: `log.syslog.*`, `log.level`,
 * `process.name`, `process.pid` and `message`.
 *
 * RFC 5424 as it stands. RFC 3164 as it is written: with or without a priority (files have none), with classic times,
 * times with a year or a fraction, or ISO 8601 (rsyslog), with or without a host (local sockets have none), a tag and
 * a process; and, with a priority, without a time.
 */
export function syslogPatterns({ format, zone, now }: SyslogPatternOptions): RegexPattern[] {
  const read = compileTimeFormats(
    ["%b %e %H:%M:%S", "iso8601", "%b %e %H:%M:%S.%f", "%b %e %Y %H:%M:%S", "%b %e %Y %H:%M:%S.%f"],
    { zone, now },
  );
  const reader: TimeReader = { read, dependsOnClock: true };
  const iso: TimeReader = { read: compileTimeFormats(["iso8601"], { zone, now }), dependsOnClock: false };
  const patterns: RegexPattern[] = [];
  if (format !== "rfc3164") {
    patterns.push(rfc5424([["\\d{4}-[^ ]+", "time"]], iso), rfc5424(["-"], iso));
  }
  if (format !== "rfc5424") {
    const priority: Part = [PRIORITY, PRIORITY_FIELDS];
    const begin = ["(?:<", priority, ">)?", [TIME, "time"] satisfies Part, " "] as const;
    const process = ["(?:\\[", PROCESS, "\\])?:"] as const;
    patterns.push(
      pattern([...begin, APP, ...process, "(?: ", MESSAGE, "?)?"], reader),
      pattern([...begin, HOST, "(?: (?:", APP, ...process, " ?)?", MESSAGE, "?)?"], reader),
      pattern(["<", priority, ">(?:", APP, ...process, " ?)?", MESSAGE, "?"], reader),
    );
  }
  return patterns;
}

function rfc5424(time: readonly (string | Part)[], reader: TimeReader): RegexPattern {
  const structured = (text: string): unknown => parseStructuredData(text) ?? UNFIT;
  const word = (field: string): Part => ["[^ ]+", [[field, "present"]]];
  const app: Part = ["[^ ]+", APP_FIELDS];
  const process: Part = ["[^ ]+", PROCESS_FIELDS];
  const data = "-|(?:\\[[^\\\\\\]]*(?:\\\\[^][^\\\\\\]]*)*\\])+";
  return pattern(
    [
      ...["<", [PRIORITY, PRIORITY_FIELDS] satisfies Part, ">", ["\\d{1,3}", [["log.syslog.version", "integer"]]]],
      ...[" ", ...time, " ", word("log.syslog.hostname"), " ", app, " "],
      ...[process, " ", word("log.syslog.msgid"), " "],
      ...[[data, [["log.syslog.structured_data", structured]]], "(?: (?:\ufeff)?", MESSAGE, "?)?"],
    ] as readonly (string | Part)[],
    reader,
  );
}

function pattern(pieces: readonly (string | Part)[], reader: TimeReader): RegexPattern {
  let source = "^";
  let group = 0;
  let timeGroup = 0;
  const captures: TextCapture[] = [];
  for (const piece of pieces) {
    if (typeof piece === "string") {
      source += piece;
      continue;
    }
    const [inside, give] = piece;
    source += `(${inside})`;
    group++;
    if (give === "time") timeGroup = group;
    else for (const [field, take] of give) captures.push({ group, field, take });
  }
  return {
    source: source + "$",
    captures,
    time: timeGroup === 0 ? undefined : { group: timeGroup, reader },
    ...{ ips: [], needs: [], absent: "-", escape: "none" },
  };
}
