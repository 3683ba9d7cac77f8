import { KqlSyntaxError } from "./error.ts";

/**
 * What people type from habit of other languages. Kibana reads all of these as text to search for and finds nothing;
 * we say so. Each is only refused where a search for the literal text is much less likely, and the hint always shows
 * the quotes that allow it.
 */

/** A value alone, between `start` and `end` of the query: `status = 200`, `a && b`, `'text'`, `!field`. */
export function bareMistake(query: string, start: number, end: number): KqlSyntaxError | undefined {
  const text = query.slice(start, end);
  const mend = (fixed: string): string => query.slice(0, start) + fixed + query.slice(end);
  const equals = /^([\w@][\w@.-]*)(\s*)(!=|==?)(\s*)(\S.*)$/s.exec(text);
  if (equals !== null) {
    const [, field, before, operator, after, value] = equals as unknown as string[];
    if (before !== "" || after !== "" || field!.includes(".")) {
      const condition = `${operator === "!=" ? "not " : ""}${field}: ${/^'.*'$/.test(value!) ? `"${value!.slice(1, -1)}"` : value}`;
      return new KqlSyntaxError(
        `"${operator}" is not a KQL operator; fields and values are joined by ":"`,
        start + field!.length + before!.length,
        {
          fix: mend(condition),
          hint: `did you mean:  ${mend(condition)}   (or, to search for that text:  ${mend(quote(text))})`,
        },
      );
    }
  }
  const logic = /\s(&&|\|\|)\s/.exec(text);
  if (logic !== null) {
    const fix = query.replaceAll(" && ", " and ").replaceAll(" || ", " or ");
    return new KqlSyntaxError(`"${logic[1]}" is not a KQL operator; write and, or`, start + logic.index + 1, { fix });
  }
  return singleQuotes(query, start);
}

/** A value after `field:` that begins at `at`. */
export function valueMistake(query: string, field: string, fieldStart: number, at: number): KqlSyntaxError | undefined {
  const rest = query.slice(at);
  const mend = (fixed: string, length: number): string => query.slice(0, fieldStart) + fixed + query.slice(at + length);
  const regex = /^\/(?:[^/\\\n]|\\.)+\/(?=$|[\s)])/.exec(rest);
  if (regex !== null && /\.[*+?]|\[.*\]|[|^]|\\[dwsDWSb.]|\$\/$|\(\?/.test(regex[0])) {
    return new KqlSyntaxError("a regular expression between slashes is Lucene, not KQL", at, {
      hint: "KQL has the wildcard * for any text, e.g. url.path: /api/*/users; put a path that looks like a pattern in quotes",
    });
  }
  const range = /^[[{]\s*(\S+)\s+TO\s+(\S+?)\s*[\]}]/.exec(rest);
  if (range !== null) {
    const [all, low, high] = range as unknown as [string, string, string];
    const parts = [low === "*" ? "" : `${field} ${all.startsWith("[") ? ">=" : ">"} ${low}`];
    if (high !== "*") parts.push(`${field} ${all.endsWith("]") ? "<=" : "<"} ${high}`);
    const condition = parts.filter((part) => part !== "").join(" and ");
    return new KqlSyntaxError("a range in brackets is Lucene, not KQL", at, {
      fix: mend(condition === "" ? `${field}: *` : condition, all.length),
    });
  }
  return singleQuotes(query, at);
}

function singleQuotes(query: string, at: number): KqlSyntaxError | undefined {
  const found = /^'([^']*)'(?=$|[\s)])/.exec(query.slice(at));
  if (found === null) return undefined;
  const fix = query.slice(0, at) + quote(found[1]!) + query.slice(at + found[0].length);
  return new KqlSyntaxError("KQL quotes text with double quotes, not single ones", at, { fix });
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}
