import { defineSink } from "../../core/component.ts";
import { t } from "../../core/schema.ts";
import { COLOURED, PLAIN, wantsColour } from "./pretty.ts";
import { StdoutSink } from "./sink.ts";

export const stdout = defineSink({
  type: "stdout",
  summary: "Prints events to the standard output, for people or as NDJSON",
  description: `On a terminal each event is a line with its time, level in colour, message and fields; into a pipe or file it is one JSON document a line. \`NO_COLOR\` and \`FORCE_COLOR\` are respected. The agent's own messages go to the standard error, so the two never mix.

A reader that is slow slows this sink; when it closes the pipe, \`wiretail run\` ends with status 0.`,
  stability: "stable",
  schema: t.object({
    format: t.enum(["auto", "pretty", "json", "text", "original"], {
      description:
        "A line for people (pretty), one JSON document a line (json), the event's message (text), the line as it was read (original), or pretty on a terminal and json elsewhere (auto).",
      default: "auto",
    }),
  }),
  examples: [
    { title: "See what arrives", options: { type: "stdout" } },
    { title: "Feed another program", options: { type: "stdout", format: "json" } },
  ],
  create(options) {
    const stream = process.stdout;
    const isTerminal = stream.isTTY === true;
    const format = options.format === "auto" ? (isTerminal ? "pretty" : "json") : options.format;
    return new StdoutSink(stream, format, wantsColour(isTerminal, process.env) ? COLOURED : PLAIN);
  },
});
