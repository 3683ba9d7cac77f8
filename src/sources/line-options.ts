import { encodingOption, ENCODINGS } from "../codec/text-encoding.ts";
import { t } from "../core/schema.ts";

/** Option of sources of lines: how long one may be. */
export const maxLineBytes = t.integer({
  default: 1_048_576,
  minimum: 64,
  maximum: 67_108_864,
  description:
    "Bytes of a line. The rest is given up and counted, and the event gets the flag `truncated` in `log.flags`.",
});

/** Option of sources that read one stream of text: how it is encoded. */
export const streamEncoding = t.enum(ENCODINGS, {
  default: "utf-8",
  description: "How the text is encoded. A byte order mark at its beginning (UTF-8 or UTF-16) wins.",
});

/** What is wrong with the option `encoding` here: JSON pointers and messages. */
export function encodingFaults(encoding: (typeof ENCODINGS)[number]): [pointer: string, message: string][] {
  const { fault } = encodingOption(encoding);
  return fault === undefined ? [] : [["/encoding", fault]];
}
