import { WiretailError } from "../core/error.ts";
import { VALUE_TYPES, type ValueType } from "./value-type.ts";

/** One `%{…}` of a pattern, in order. */
export interface DissectKey {
  /** The field it belongs to; undefined for one that is skipped. */
  readonly field: string | undefined;
  /** Text that ends the value; empty for the last one, which takes the rest. */
  readonly delimiter: string;
  /** `->`: the delimiter may stand there several times. */
  readonly isPadded: boolean;
  /** `+`: joined to the field's other parts by this text, the delimiter before it in the pattern (behind the first). */
  readonly joinedBy: string | undefined;
  /** `/n`: its place among the parts of the field. */
  readonly order: number;
  readonly type: ValueType | undefined;
}

export interface DissectPattern {
  /** Text before the first key. */
  readonly prefix: string;
  readonly keys: readonly DissectKey[];
}

const KEY = /%\{([^{}]*)\}/g;
const NAME = /^[\w@-]+(?:\.[\w@-]+)*$/;

/**
 * Parses a dissect pattern: text and keys in turns, as Filebeat, Logstash and Elasticsearch write them.
 * `%{a}` a field, `%{}` or `%{?a}` skipped, `%{+a}` and `%{+a/2}` joined to the field's other parts, `%{a->}` with the
 * delimiter repeated, `%{a|integer}` with a type. Throws WT_FORMAT_INVALID.
 */
export function parseDissectPattern(pattern: string): DissectPattern {
  const matches = [...pattern.matchAll(KEY)];
  if (matches.length === 0) throw invalid(pattern, "has no key such as %{field}");
  const prefix = pattern.slice(0, matches[0]!.index);
  let before = prefix;
  const keys = matches.map((match, i) => {
    const end = match.index + match[0].length;
    const next = matches[i + 1];
    const delimiter = pattern.slice(end, next?.index ?? pattern.length);
    if (delimiter === "" && next !== undefined)
      throw invalid(pattern, `has nothing between ${match[0]} and ${next[0]}: where the first ends is not known`);
    const key = parseKey(pattern, match[0], match[1]!, delimiter, i === 0 ? delimiter : before);
    before = delimiter;
    return key;
  });
  const plain = keys.filter(({ joinedBy }) => joinedBy === undefined).flatMap(({ field }) => field ?? []);
  const twice = plain.find((field, i) => plain.indexOf(field) !== i);
  if (twice !== undefined) throw invalid(pattern, `has %{${twice}} twice; %{+${twice}} joins a part to it`);
  return { prefix, keys };
}

function parseKey(pattern: string, whole: string, inside: string, delimiter: string, before: string): DissectKey {
  const [, sign, body, order, type, padding] = /^([+?*&]?)(.*?)(?:\/(\d{1,3}))?(?:\|(\w+))?(->)?$/s.exec(inside)!;
  if (sign === "*" || sign === "&")
    throw invalid(pattern, `has ${whole}: keys that stand in the text are not supported; parse_kv reads them`);
  if (type !== undefined && !VALUE_TYPES.includes(type as ValueType))
    throw invalid(pattern, `has ${whole}: the types are ${VALUE_TYPES.join(", ")}`);
  const isSkipped = sign === "?" || (sign === "" && body === "");
  if (!isSkipped && !NAME.test(body!)) throw invalid(pattern, `has ${whole}: "${body!}" is not a field`);
  if (order !== undefined && sign !== "+") throw invalid(pattern, `has ${whole}: /${order} belongs to %{+field/n}`);
  if (padding !== undefined && delimiter === "")
    throw invalid(pattern, `has ${whole} at its end: there is no delimiter that could be repeated`);
  return {
    field: isSkipped ? undefined : body,
    delimiter,
    isPadded: padding !== undefined,
    joinedBy: sign === "+" ? before : undefined,
    order: order === undefined ? 0 : Number(order),
    type: type as ValueType | undefined,
  };
}

/**
 * Cuts a text by a pattern: `values[i]` becomes the text of key i. Returns undefined, or why the text does not fit.
 * Each value ends at the first delimiter behind it; the whole text must fit.
 */
export function dissect({ prefix, keys }: DissectPattern, text: string, values: string[]): string | undefined {
  if (!text.startsWith(prefix)) return `does not begin with ${JSON.stringify(prefix)}`;
  let at = prefix.length;
  for (let i = 0; i < keys.length; i++) {
    const { delimiter, isPadded } = keys[i]!;
    if (delimiter === "") {
      values[i] = text.slice(at);
      return undefined;
    }
    const end = text.indexOf(delimiter, at);
    if (end < 0) return `has no ${JSON.stringify(delimiter)} behind character ${at}, for key ${i + 1} of the pattern`;
    values[i] = text.slice(at, end);
    at = end + delimiter.length;
    if (isPadded) while (text.startsWith(delimiter, at)) at += delimiter.length;
  }
  return at === text.length ? undefined : `has more text behind character ${at} than the pattern`;
}

/**
 * A regular expression with a group for each key that has a field, which matches only where `dissect` gives the same
 * values: texts that it does not match may fit nevertheless. Undefined where there is none.
 */
export function dissectRegex({ prefix, keys }: DissectPattern): string | undefined {
  let source = "^" + escaped(prefix);
  /** The delimiter that may stand before the present value any number of times. */
  let padding = "";
  for (const { field, delimiter, isPadded } of keys) {
    const [end] = delimiter;
    if ((end !== undefined && end >= "\u0080") || (isPadded && delimiter.length > 1)) return undefined;
    if (padding !== "" && padding === end) return undefined;
    const rest = end === undefined ? "[^]*" : `[^${escaped(end)}]*`;
    const first = `[^${escaped(padding)}${end === undefined ? "" : escaped(end)}]`;
    const value = padding === "" ? rest : `(?:${first}${rest})?`;
    source += (field === undefined ? `(?:${value})` : `(${value})`) + escaped(delimiter) + (isPadded ? "+" : "");
    padding = isPadded ? delimiter : "";
  }
  return source + "$";
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

function invalid(pattern: string, what: string): WiretailError {
  const shown = JSON.stringify(pattern.length > 60 ? pattern.slice(0, 60) + "…" : pattern);
  return new WiretailError("WT_FORMAT_INVALID", `dissect pattern ${shown} ${what}`);
}
