import { ENCODINGS } from "../../codec/text-encoding.ts";
import { t, type Infer } from "../../core/schema.ts";
import { maxLineBytes } from "../line-options.ts";
import { FILE_FIELDS } from "./metadata.ts";

const multiline = t.object(
  {
    start_pattern: t.optional(
      t.string({ description: "A regular expression: a line that matches begins an event.", "x-syntax": "regex" }),
    ),
    continuation_pattern: t.optional(
      t.string({
        description: "A regular expression: a line that matches belongs to the line before it.",
        "x-syntax": "regex",
      }),
    ),
    allow_backtracking: t.boolean({
      default: false,
      description:
        "Accept a pattern that may take exponential time on some lines (look-around, back-references, large counted repeats).",
    }),
    flush_timeout_ms: t.integer({
      default: 1000,
      minimum: 10,
      maximum: 3_600_000,
      description:
        "Send an event when nothing was added to the file for this many milliseconds. Every byte starts it anew.",
    }),
    max_lines: t.integer({
      default: 500,
      minimum: 1,
      maximum: 100_000,
      description: "Lines of one event. What follows becomes the next event.",
    }),
    max_bytes: t.integer({
      default: 1_048_576,
      minimum: 1024,
      maximum: 67_108_864,
      description: "Bytes of one event. What follows becomes the next event.",
    }),
  },
  { description: "Joins lines that belong together to one event. Give exactly one of the two patterns." },
);

/** Options of the `file` source. */
export const fileOptions = t.object({
  include: t.array(t.string({ minLength: 1, "x-syntax": "glob" }), {
    minItems: 1,
    "x-identity": true,
    description: "Files to read: paths or globs (`*`, `**`, `?`, `[a-z]`, `{a,b}`).",
    examples: [["/var/log/nginx/*.log"]],
  }),
  exclude: t.array(t.string({ minLength: 1, "x-syntax": "glob" }), {
    default: ["*.gz", "*.bz2", "*.xz", "*.zst", "*.zip"],
    description:
      "Files to leave out, although `include` matches. A glob without a slash goes for the file's name in any folder.",
  }),
  start_at: t.enum(["beginning", "end"], {
    default: "beginning",
    description:
      "Where to begin in files that are there when the source runs for the first time. Files that appear later are always read from their beginning.",
  }),
  compressed: t.optional(
    t.enum(["skip", "read"], {
      description:
        "Files compressed by gzip that `include` matches. `skip` (the default) leaves them out. `read` reads each whole, once, unless it holds what was read before it was compressed; `*.gz` in `exclude` is then without effect. Needed for archives only: a rotated file is finished from what it was compressed to in any case.",
    }),
  ),
  header_prefix: t.optional(
    t.string({
      minLength: 1,
      maxLength: 200,
      pattern: "^[\\x20-\\x7e]+$",
      description:
        "Lines that begin with this text say what the lines after them are, such as `#Fields:` in W3C logs: events have the last one in `log.header`, also when reading begins in the middle of the file. The stage `parse_w3c` uses it.",
    }),
  ),
  ignore_older_ms: t.optional(
    t.integer({
      minimum: 1000,
      description:
        "Leave files out that were last written to longer than so many milliseconds ago when they are first seen. One that is written to later is read from its beginning; files that are known go on.",
    }),
  ),
  delete_delivered_after_ms: t.optional(
    t.integer({
      minimum: 1000,
      description:
        "Delete a file when every sink has all of it, that is on disk, and nothing was added to it for so many milliseconds. Only files that `include` matches, and no archives; each is said in the log. Choose a time in which no program that still has the file open is silent.",
    }),
  ),
  encoding: t.enum(ENCODINGS, {
    default: "utf-8",
    description:
      "How the text is encoded. A byte order mark at the beginning of a file (UTF-8 or UTF-16) wins. Offsets and limits count the file's own bytes.",
  }),
  container: t.optional(
    t.enum(["auto", "docker", "cri"], {
      description:
        "The files are logs of containers: Docker's json-file driver (`docker`) or what Kubernetes and Podman write (`cri`); `auto` looks at each line. Lines that the runtime split are joined, and the path gives `container.*` and `kubernetes.*` fields. Use the pipeline `docker` or `cri` to parse the events.",
    }),
  ),
  file_fields: t.optional(
    t.array(t.enum(FILE_FIELDS), {
      uniqueItems: true,
      description:
        "What else to say of the file in each event, as `log.file.name`, `log.file.directory`, `log.file.path_resolved` (without symbolic links), `log.file.inode`, `log.file.device_id`. After a rotation they are still those under which the file was first seen; inode and device are those of the present start.",
    }),
  ),
  multiline: t.optional(multiline),
  max_line_bytes: maxLineBytes,
  idle_line_flush_ms: t.integer({
    default: 5000,
    minimum: 10,
    maximum: 3_600_000,
    description: "Send a last line that has no line end when nothing was added to the file for this many milliseconds.",
  }),
  watch: t.enum(["notify", "chokidar", "poll"], {
    default: "notify",
    description:
      "How changes are found: told by the system (Linux's inotify itself, elsewhere through chokidar), by chokidar on Linux too, or by looking at every file each `poll_interval_ms` (network mounts).",
  }),
  poll_interval_ms: t.integer({
    default: 1000,
    minimum: 10,
    maximum: 3_600_000,
    description:
      "With `watch: poll`, milliseconds between looks at the files. With `notify`, between new attempts at files that could not be opened.",
  }),
  rotate_grace_ms: t.integer({
    default: 10_000,
    minimum: 0,
    maximum: 86_400_000,
    description:
      "How many milliseconds without a new byte a rotated or deleted file is kept open, for programs that still write to it.",
  }),
  read_chunk_bytes: t.integer({
    default: 126_976,
    minimum: 1024,
    maximum: 16_777_216,
    description:
      "Bytes that become one batch of lines; a read takes eight times as many. Above 128 KiB it is slower (bench/micro/lines.ts).",
  }),
  max_open_files: t.integer({
    default: 512,
    minimum: 4,
    maximum: 100_000,
    description: "Files kept open. Beyond, those that were quiet longest are closed, and opened again when they grow.",
  }),
});

export type FileOptions = Infer<typeof fileOptions>;
