import { SYSLOG_FORMATS, syslogPatterns } from "../../codec/syslog/patterns.ts";
import { defineStage } from "../../core/component.ts";
import { t } from "../../core/schema.ts";
import { SOURCE_OPTIONS } from "../parsed-fields.ts";
import { TextPatternStage } from "../text-patterns.ts";

const schema = t.object({
  format: t.enum(SYSLOG_FORMATS, {
    default: "auto",
    description: "`rfc5424`, `rfc3164` (what most programs and files have), or `auto` for whichever fits.",
  }),
  zone: t.string({
    default: "local",
    description:
      "Zone of times that name none, as all of RFC 3164 are: an IANA name such as `Europe/Madrid`, `+02:00`, `UTC` or `local`.",
  }),
  ...SOURCE_OPTIONS,
});

/** Parses syslog lines. */
export const parseSyslog = defineStage({
  type: "parse_syslog",
  summary: "Parses syslog lines of RFC 3164 and RFC 5424, from the network or from files",
  description: [
    "Gives `log.syslog.*` (`priority`, `facility`, `severity`, `hostname`, `appname`, `procid`, and of RFC 5424 `version`, `msgid` and `structured_data`), `log.level`, `process.name`, `process.pid`,",
    "the event's time, and the rest as `message`. `-` gives no field.",
    "",
    "Files mostly hold lines without a priority; rsyslog writes their times in RFC 3164's form or as ISO 8601: all are read.",
    "A time without a year is this year, or last year where that would be over 30 days ahead.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "RFC 5424 with structured data",
      options: {},
      input: [
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application"] An application event log entry',
      ],
      output: [
        {
          "@timestamp": "2003-10-11T22:14:15.003Z",
          "log.syslog.priority": 165,
          "log.syslog.facility": { code: 20, name: "local4" },
          "log.syslog.severity": { code: 5, name: "notice" },
          "log.level": "notice",
          "log.syslog.version": 1,
          "log.syslog.hostname": "mymachine.example.com",
          "log.syslog.appname": "evntslog",
          "log.syslog.procid": null,
          "log.syslog.msgid": "ID47",
          "log.syslog.structured_data": { "exampleSDID@32473": { iut: "3", eventSource: "Application" } },
          message: "An application event log entry",
        },
      ],
    },
    {
      title: "A line of a file, in the zone of the host that wrote it",
      options: { zone: "Europe/Madrid" },
      input: ["Oct 11 22:14:15 gate sshd[4711]: Accepted publickey for ada"],
      output: [
        {
          "@timestamp": "2026-10-11T20:14:15.000Z",
          "log.syslog.hostname": "gate",
          "log.syslog.appname": "sshd",
          "log.syslog.procid": "4711",
          "process.name": "sshd",
          "process.pid": 4711,
          message: "Accepted publickey for ada",
        },
      ],
    },
  ],
  create: (options, { now }) => {
    const { format, zone } = options;
    const patterns = syslogPatterns({ format, zone, now }).map((plan) => ({
      regex: new RegExp(plan.source),
      plan,
      types: { "log.syslog.structured_data": "structured data" },
    }));
    const wanted = format === "auto" ? "RFC 3164 or RFC 5424" : `RFC ${format.slice(3)}`;
    return new TextPatternStage(patterns, options, () => `is not a syslog line of ${wanted}`);
  },
});
