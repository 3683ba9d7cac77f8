import { WiretailError } from "../../core/error.ts";
import type { ValueType } from "../value-type.ts";
import { GROK_PATTERNS } from "./patterns.ts";

/** A grok pattern as a regular expression with named groups, and the types of its fields. */
export interface GrokExpansion {
  readonly source: string;
  readonly types: Readonly<Record<string, ValueType>>;
}

const REFERENCE = /%\{([\w.-]+)(?::([^:{}]*))?(?::([a-z]+))?\}/g;
const FIELD = /^[\w@-]+(?:\.[\w@-]+)*$/;
const TYPES: Readonly<Record<string, ValueType>> = {
  ...{ int: "integer", integer: "integer", long: "integer", float: "float", double: "float" },
  ...{ bool: "boolean", boolean: "boolean", string: "string", ip: "ip" },
};
/** What Oniguruma understands and JavaScript takes for something else without a word. */
const FOREIGN = /(\\[AZzGhHKRX]|\\p\{)|\\[^]|(\[\^?\[:[a-z]+:)/g;
const MAX_DEPTH = 32;
const MAX_LENGTH = 100_000;

/**
 * Puts the definitions of `%{NAME}`, `%{NAME:field}` and `%{NAME:field:type}` in, the user's own before the shipped
 * ones. `[a][b]` is another way to write the field `a.b`. Throws WT_PATTERN_REFUSED for unknown names, types and
 * definitions that contain themselves.
 */
export function expandGrok(pattern: string, own: Readonly<Record<string, string>> = {}): GrokExpansion {
  const types: Record<string, ValueType> = {};
  const open: string[] = [];
  let length = 0;
  const expand = (text: string): string => {
    checkSyntax(text);
    let at = 0;
    let out = "";
    for (const match of text.matchAll(REFERENCE)) {
      out += text.slice(at, match.index);
      at = match.index + match[0].length;
      const [whole, name = "", field, type] = match;
      const definition = Object.hasOwn(own, name)
        ? own[name]!
        : Object.hasOwn(GROK_PATTERNS, name)
          ? GROK_PATTERNS[name]!
          : undefined;
      if (definition === undefined) throw refused(`unknown pattern ${whole}${suggestion(name, own)}`);
      if (open.includes(name) || open.length >= MAX_DEPTH)
        throw refused(`%{${name}} contains itself: ${[...open, name].join(" → ")}`);
      open.push(name);
      const inner = expand(definition);
      open.pop();
      out += field === undefined || field === "" ? `(?:${inner})` : `(?<${addField(whole, field, type)}>${inner})`;
      length += inner.length;
      if (length > MAX_LENGTH) throw refused("the pattern is too long when it is written out");
    }
    return out + text.slice(at);
  };
  const addField = (whole: string, written: string, type: string | undefined): string => {
    const field = /^(?:\[[^[\]]+\])+$/.test(written) ? written.slice(1, -1).replaceAll("][", ".") : written;
    if (!FIELD.test(field)) throw refused(`${whole}: "${written}" is not a field`);
    if (type === undefined) return field;
    const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
    if (known === undefined) throw refused(`${whole}: the types are ${Object.keys(TYPES).join(", ")}`);
    if (Object.hasOwn(types, field) && types[field] !== known) throw refused(`${field} has two types`);
    types[field] = known;
    return field;
  };
  const source = expand(pattern);
  const rest = /%\{[^}]*\}?/.exec(source);
  if (rest !== null && !/%\{\d/.test(rest[0])) throw refused(`${rest[0]} is not of the form %{NAME:field:type}`);
  return { source, types };
}

function checkSyntax(text: string): void {
  for (const match of text.matchAll(FOREIGN)) {
    const found = match[1] ?? match[2];
    if (found === undefined) continue;
    throw refused(
      `${found} at position ${match.index + 1} is not JavaScript's syntax`,
      "Write ^ and $ for \\A and \\z, [A-Za-z0-9] for [[:alnum:]], and characters or their escapes for others.",
    );
  }
}

function suggestion(name: string, own: Readonly<Record<string, string>>): string {
  const names = [...Object.keys(own), ...Object.keys(GROK_PATTERNS)];
  const plain = name.toUpperCase().replace(/[^A-Z0-9]/g, "");
  const near = names.find((each) => each.replace(/[^A-Za-z0-9]/g, "").toUpperCase() === plain);
  return near === undefined ? "; pattern_definitions can define it" : `; did you mean %{${near}}?`;
}

function refused(message: string, hint?: string): WiretailError {
  return new WiretailError("WT_PATTERN_REFUSED", message, hint === undefined ? {} : { hint });
}
