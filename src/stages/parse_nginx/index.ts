import { NginxLineParser } from "../../codec/nginx/line-parser.ts";
import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { ParsedFields, SOURCE_OPTIONS } from "../parsed-fields.ts";

const schema = t.object({
  format: t.string({
    default: "combined",
    description:
      "The `log_format` of the file: `combined`, `main` or `stream` for nginx's own ones, or a definition as it stands in nginx.conf: the format alone, its quoted pieces, or the whole directive.",
  }),
  escape: t.optional(
    t.enum(["default", "json", "none"], {
      description:
        "How nginx escapes values, as `escape=` of the directive says; needed only where the definition does not say it.",
    }),
  ),
  ...SOURCE_OPTIONS,
});

class ParseNginx implements Stage {
  readonly plan: StagePlan;
  readonly #parser: NginxLineParser;
  readonly #target: ParsedFields;

  constructor(options: Infer<typeof schema>) {
    this.#parser = new NginxLineParser(options.format, options.escape);
    this.#target = new ParsedFields(this.#parser.fields, options.field, options.keep_original);
    this.plan = {
      kind: "parse_text",
      ...{ field: options.field, patterns: [this.#parser.plan], keepsOriginal: options.keep_original },
    };
  }

  apply(event: LogEvent): undefined | StageFailure {
    const text = this.#target.read(event);
    if (typeof text !== "string") return text;
    const match = this.#parser.match(text);
    if (match === null) return new StageFailure(this.#parser.explain(text));
    const failure = this.#target.write(event, match, this.#parser);
    if (failure === undefined && this.#parser.hasTime) event.timeMs = this.#parser.timeMs;
    return failure;
  }
}

/** Parses nginx access logs by the `log_format` that wrote them. */
export const parseNginx = defineStage({
  type: "parse_nginx",
  summary: "Parses nginx access logs, HTTP and stream, by their log_format",
  description: [
    "The definition is compiled once into one regular expression. Variables become ECS fields with their types: `$status` the number",
    "`http.response.status_code`, `$request` method, URL and version, `$request_time` `event.duration` in nanoseconds, `$ssl_*` `tls.*`; those without an ECS name",
    "become `nginx.<variable>`, and those of the upstream modules `nginx.upstream.*`, a list where several servers were tried.",
    "`$msec`, `$time_iso8601` or `$time_local` (the first of these that the format has) is the event's time. `-` gives no field, and escapes are undone.",
    "",
    "A request line that is none (empty, a TLS handshake on a plain port) leaves method and URL out and stands in `nginx.request`.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "The combined format",
      options: {},
      input: ['203.0.113.7 - - [11/Dec/2019:20:47:14 +0000] "GET /chat?room=1 HTTP/1.1" 200 512 "-" "curl/8.5.0"'],
      output: [
        {
          "@timestamp": "2019-12-11T20:47:14.000Z",
          "source.address": "203.0.113.7",
          "source.ip": "203.0.113.7",
          "user.name": null,
          "http.request.method": "GET",
          "url.original": "/chat?room=1",
          "http.version": "1.1",
          "http.response.status_code": 200,
          "http.response.body.bytes": 512,
          "http.request.referrer": null,
          "user_agent.original": "curl/8.5.0",
          message: null,
        },
      ],
    },
    {
      title: "A directive with timings, as it stands in nginx.conf",
      options: {
        format:
          "log_format timed '$remote_addr [$msec] \"$request\" $status '\n  'rt=$request_time ut=$upstream_response_time';",
      },
      input: ['203.0.113.7 [1576097234.285] "GET / HTTP/2.0" 502 rt=0.250 ut=0.100, 0.150'],
      output: [
        {
          "@timestamp": "2019-12-11T20:47:14.285Z",
          "event.duration": 250_000_000,
          "nginx.upstream.response_time": [0.1, 0.15],
        },
      ],
    },
  ],
  create: (options) => new ParseNginx(options),
});
