import { WiretailError } from "../../core/error.ts";
import { defineSource } from "../../core/component.ts";
import type { LineRules } from "../../codec/lines.ts";
import { compilePattern } from "../../codec/pattern.ts";
import { encodingOption } from "../../codec/text-encoding.ts";
import { encodingFaults } from "../line-options.ts";
import { FileSource } from "./file-source.ts";
import type { FileRules } from "./generation.ts";
import { FILE_METRICS } from "./losses.ts";
import { fileOptions, type FileOptions } from "./options.ts";

/** Tails files. */
export const file = defineSource({
  type: "file",
  summary: "Reads lines of files as they grow, through rotation, truncation and restarts",
  description:
    "Every event carries `log.file.path` and `log.offset`, the byte at which it begins. A file is recognised by its content " +
    "as well as by its inode: a fingerprint of its beginning and the bytes before the position are compared each time it " +
    "is opened, and the latter with every read. So a renamed file is read on from where it was, also when that happened " +
    "while the agent was down; a truncated or replaced one is read from its beginning; and nothing is read twice. What " +
    "was rotated and compressed by gzip meanwhile is finished from what it unpacks to. [files.md](../../files.md) has the rules.\n\n" +
    "Bytes that were known and cannot be read any more are counted under `dropped`, by reason, and logged.\n\n" +
    "Text is UTF-8 unless `encoding` or a byte order mark says otherwise; invalid bytes become U+FFFD. Lines end with LF or CRLF.",
  stability: "stable",
  schema: fileOptions,
  rereadable: true,
  metrics: FILE_METRICS,
  examples: [
    { title: "All logs of nginx", options: { type: "file", include: ["/var/log/nginx/*.log"] } },
    {
      title: "IIS, for the pipeline `w3c`",
      options: { type: "file", include: ["/mnt/iis/W3SVC*/*.log"], header_prefix: "#Fields:" },
    },
    {
      title: "Containers under Kubernetes, for the pipeline `cri`",
      options: { type: "file", include: ["/var/log/containers/*.log"], container: "auto" },
    },
    {
      title: "Java logs with stack traces, from now on",
      options: {
        type: "file",
        include: ["/var/log/app/**/*.log"],
        start_at: "end",
        multiline: { start_pattern: "^\\d{4}-\\d{2}-\\d{2}" },
      },
    },
  ],
  validate: (options) => [...patterns(options).faults, ...encodingFaults(options.encoding)],
  create: (options, context) => new FileSource(options, context, lineRulesOf(options)),
});

/** How a source with these options cuts its files into events. Throws what does not compile. */
export function lineRulesOf(options: unknown): FileRules {
  const given = options as FileOptions;
  const { multiline } = patterns(given);
  const { encoding } = encodingOption(given.encoding);
  const { max_line_bytes: maxLineBytes, container, header_prefix: headerPrefix } = given;
  return { maxLineBytes, multiline, encoding, container, headerPrefix };
}

function patterns(options: FileOptions): { multiline: LineRules["multiline"]; faults: [string, string][] } {
  const given = options.multiline;
  if (given === undefined) return { multiline: undefined, faults: [] };
  const faults: [string, string][] = [];
  if ((given.start_pattern === undefined) === (given.continuation_pattern === undefined)) {
    faults.push(["/multiline", "needs exactly one of start_pattern and continuation_pattern"]);
  }
  const compile = (name: "start_pattern" | "continuation_pattern"): RegExp | undefined => {
    const pattern = given[name];
    if (pattern === undefined) return undefined;
    try {
      return compilePattern(pattern, { allowBacktracking: given.allow_backtracking }).regex;
    } catch (error) {
      if (!(error instanceof WiretailError)) throw error;
      faults.push([`/multiline/${name}`, error.hint === undefined ? error.message : `${error.message}. ${error.hint}`]);
      return undefined;
    }
  };
  const multiline = {
    startPattern: compile("start_pattern"),
    continuationPattern: compile("continuation_pattern"),
    maxLines: given.max_lines,
    maxBytes: given.max_bytes,
  };
  return { multiline, faults };
}
