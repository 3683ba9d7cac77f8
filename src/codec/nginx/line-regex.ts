import { invalid, type NginxDefinition, type NginxEscape } from "./definition.ts";
import { lookUp, type NginxField } from "./variables.ts";

/** A variable of a format with what is to be captured of it. `undefined`: matched only. */
export interface NginxCapture {
  readonly name: string;
  readonly position: number;
  readonly shape: NginxField["shape"];
  readonly isRequest: boolean;
  readonly isCaptured: boolean;
}

export interface NginxRegex {
  readonly source: string;
  /** For each variable, the index of its first capture, or 0. A request has four: method, URL, version, or all of it. */
  readonly groups: readonly number[];
  /** Growing beginnings of `source` that are regular expressions themselves: to say how far a line got. */
  readonly beginnings: readonly string[];
}

/** Values that nginx can only write in one form, so that what follows may stand right behind them. */
const SELF_ENDING: Readonly<Record<string, string>> = {
  is_args: "\\??",
  pipe: "[p.]",
  scheme: "[a-z]+",
  msec: "\\d+\\.\\d{3}",
  status: "\\d{3}",
  time_local: "\\d\\d/[A-Z][a-z]{2}/\\d{4}:\\d\\d:\\d\\d:\\d\\d [+-]\\d{4}",
  time_iso8601: "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d[+-]\\d\\d:\\d\\d",
};
/** What a variable cannot hold when this one stands right behind it. */
const BEGINS_WITH: Readonly<Record<string, string>> = { request_uri: "/", uri: "/", document_uri: "/", is_args: "?" };

/**
 * Makes one regular expression of a whole format. Each value ends where the constant text after it begins; the
 * expression has no look-around or back-references, so V8's linear-time engine can take over (codec/pattern.ts).
 * Throws WT_FORMAT_INVALID where two values cannot be told apart.
 */
export function nginxRegex(definition: NginxDefinition, captures: readonly NginxCapture[]): NginxRegex {
  const { pieces, escape } = definition;
  const groups: number[] = [];
  const beginnings: string[] = [];
  let source = "^";
  let group = 0;
  let index = 0;
  pieces.forEach((piece, i) => {
    if (typeof piece === "string") {
      source += piece.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
      beginnings.push(source);
      return;
    }
    const capture = captures[index++]!;
    const before = pieces[i - 1];
    const after = pieces[i + 1];
    const isQuoted =
      typeof before === "string" && before.endsWith('"') && typeof after === "string" && after.startsWith('"');
    const value = valuePattern(definition, capture, after, isQuoted);
    if (capture.isRequest && capture.isCaptured) {
      const stop = characterClass((isQuoted ? '"' : "") + (escape === "json" ? "\\" : "") + " ");
      source += `(?:([A-Za-z][A-Za-z0-9_-]*) (${stop}*) HTTP\\/([0-9.]+)|(${value}))`;
      groups.push(group + 1);
      group += 4;
    } else if (capture.isCaptured) {
      source += `(${value})`;
      groups.push(++group);
    } else {
      source += `(?:${value})`;
      groups.push(0);
    }
    beginnings.push(source);
  });
  return { source: source + "$", groups, beginnings };
}

function valuePattern(
  definition: NginxDefinition,
  capture: NginxCapture,
  after: NginxDefinition["pieces"][number] | undefined,
  isQuoted: boolean,
): string {
  const { name, shape } = capture;
  if (after !== undefined && typeof after !== "string") {
    const own = lookUp(SELF_ENDING, name);
    if (own !== undefined) return own;
    const stop = lookUp(BEGINS_WITH, after.variable);
    if (stop === undefined || name === "request") {
      const message = `$${name} and $${after.variable} at position ${capture.position} stand side by side, so a line cannot be told apart there`;
      throw invalid(definition.text, message);
    }
    return characterClass(stop + '" ') + "*";
  }
  if (name === "is_args") return SELF_ENDING["is_args"]!;
  if (shape === "integer") return "\\d+|-?";
  if (shape === "decimal") return "[0-9.]+|-?";
  if (isQuoted) return quotedPattern(definition.escape);
  if (after === undefined) return ".*";
  const literal = after.trimStart() === "" ? after : after.trimStart();
  if (shape === "list" && literal.startsWith(" ")) return "[^ ,]*(?:(?:,| :) [^ ,]+)*";
  // A word followed by a character that may be in it (`$remote_addr:$remote_port`) ends at its last such character.
  if (shape === "word")
    return after[0] === ":" || after[0] === "." || after[0] === "-" ? "[^ ]*" : characterClass(after[0]! + " ") + "*";
  return characterClass(literal[0]!) + "*";
}

function quotedPattern(escape: NginxEscape): string {
  if (escape === "json") return '[^"\\\\]*(?:\\\\.[^"\\\\]*)*';
  return escape === "none" ? ".*?" : '[^"]*';
}

function characterClass(not: string): string {
  return `[^${[...new Set(not)].map((char) => (/[\\\]^-]/.test(char) ? "\\" + char : char)).join("")}]`;
}
