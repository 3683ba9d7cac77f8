import { templateFault } from "../../codec/template.ts";
import { defineSink } from "../../core/component.ts";
import { t } from "../../core/schema.ts";
import { FileSink } from "./sink.ts";

const HOUR_MS = 3_600_000;

export const file = defineSink({
  type: "file",
  summary: "Appends events to a file as NDJSON or as text, each exactly once",
  description: `Beside the file lies \`<path>.wiretail\`, which says how much of it counts and how far each input got. After a crash the half-written end is cut off and writing goes on from there, so nothing is lost and nothing comes twice. Keep the two together.

A rotated file is called \`<path>.20261121T103800Z\`, with \`.gz\` when it is compressed. Size and age are looked at when something is written. Let the agent rotate the file rather than logrotate.`,
  stability: "stable",
  schema: t.object({
    path: t.string({
      description:
        "File to append to. Placeholders such as {hostname} and {date} are filled in for each event; folders are made. A relative path starts where the agent was started.",
      minLength: 1,
      "x-syntax": "template",
      "x-identity": true,
      examples: ["/var/log/wiretail/{hostname}/{date}.ndjson"],
    }),
    format: t.enum(["json", "text", "original"], {
      description:
        "One JSON document a line (json), the event's message (text), or the line as it was read (original).",
      default: "json",
    }),
    max_bytes: t.optional(
      t.integer({ description: "Size in bytes at which the file is rotated. Left out: it is not.", minimum: 1 }),
    ),
    max_age_hours: t.optional(
      t.number({ description: "Age in hours at which the file is rotated. Left out: it is not.", minimum: 0.001 }),
    ),
    keep: t.optional(
      t.integer({ description: "Rotated files that are kept; older ones are removed. Left out: all.", minimum: 1 }),
    ),
    gzip: t.boolean({ description: "Compress rotated files.", default: false }),
    mode: t.string({ description: "Permissions of the files, in octal.", default: "0640", pattern: "^0?[0-7]{3}$" }),
  }),
  examples: [
    {
      title: "NDJSON, rotated at 100 MB, the last ten compressed",
      options: { type: "file", path: "/var/log/wiretail/events.ndjson", max_bytes: 104_857_600, keep: 10, gzip: true },
    },
    {
      title: "The lines as they were read, a file a day",
      options: { type: "file", path: "/srv/archive/{hostname}/{date}.log", format: "original" },
    },
  ],
  validate(options) {
    const faults: [string, string][] = [];
    const fault = templateFault(options.path);
    if (fault !== undefined) faults.push(["/path", fault]);
    if (options.path.endsWith("/")) faults.push(["/path", "this is a folder; name a file in it"]);
    if (options.path.endsWith(".wiretail"))
      faults.push(["/path", "names that end in .wiretail are kept for what lies beside the file"]);
    if (options.max_bytes === undefined && options.max_age_hours === undefined) {
      for (const option of ["keep", "gzip"] as const) {
        if (options[option] !== undefined && options[option] !== false) {
          faults.push([`/${option}`, `${option} needs max_bytes or max_age_hours: without them nothing is rotated`]);
        }
      }
    }
    return faults;
  },
  create: (options, context) =>
    FileSink.create(
      {
        path: options.path,
        format: options.format,
        mode: parseInt(options.mode, 8),
        maxBytes: options.max_bytes,
        maxAgeMs: options.max_age_hours === undefined ? undefined : options.max_age_hours * HOUR_MS,
        keep: options.keep,
        gzip: options.gzip,
      },
      context,
    ),
});
