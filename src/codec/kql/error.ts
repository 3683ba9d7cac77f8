import { WiretailError } from "../../core/error.ts";

/**
 * A KQL query that does not parse (code WT_KQL_SYNTAX). The message is one line and names the column; `hint` says what
 * to write instead.
 */
export class KqlSyntaxError extends WiretailError {
  /** Where in the query, in UTF-16 units from 0. */
  readonly position: number;
  /** The whole query mended, when there is one obvious way: for a fix button or `did you mean`. */
  readonly fix: string | undefined;

  constructor(
    message: string,
    position: number,
    options: { hint?: string | undefined; fix?: string | undefined } = {},
  ) {
    const hint = options.hint ?? (options.fix === undefined ? undefined : `did you mean:  ${options.fix}`);
    super("WT_KQL_SYNTAX", `KQL, column ${position + 1}: ${message}`, hint === undefined ? {} : { hint });
    this.position = position;
    this.fix = options.fix;
  }
}

/** The query with a caret under the fault, for a terminal: two lines, cut around the fault when the query is long. */
export function pointAtFault(query: string, error: KqlSyntaxError): string {
  const line = query.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ");
  const from = error.position > 70 ? error.position - 60 : 0;
  const lead = from > 0 ? "…" : "";
  const cut = line.slice(from, from + 100);
  return `  ${lead}${cut}${line.length > from + 100 ? "…" : ""}\n  ${" ".repeat(lead.length + error.position - from)}^`;
}
