import { WiretailError } from "../../core/error.ts";
import { compilePattern } from "../../codec/pattern.ts";
import type { Finder } from "./named-patterns.ts";

/**
 * A user's regular expression as a finder. Without a group all of a match is redacted, with one only what it captures.
 * Throws WT_PATTERN_REFUSED.
 */
export function ownFinder(source: string, allowBacktracking: boolean): Finder {
  const { regex } = compilePattern(source, { allowBacktracking });
  const group = groupIn(regex.source);
  if (group === "none") return { name: "regex", regex: new RegExp(regex.source, "g"), hasGroup: false };
  if (group === "unclear") {
    throw new WiretailError(
      "WT_PATTERN_REFUSED",
      `pattern ${JSON.stringify(source.slice(0, 60))}: what is redacted has to be one group, outside of others and without alternatives around it or a repeat behind it`,
      { hint: "Write other groups as (?:…), and give alternatives as patterns of their own." },
    );
  }
  const { begin, end } = group;
  const parts = [regex.source.slice(0, begin), regex.source.slice(begin, end), regex.source.slice(end)];
  // V8 tells where groups lie only with a flag that the linear-time engine does not know: so what is before is a group.
  return { name: "regex", regex: new RegExp(`(${parts[0]!})${parts[1]!}(?:${parts[2]!})`, "g"), hasGroup: true };
}

/** Where the only capturing group of a pattern lies, its parentheses included. */
function groupIn(source: string): { readonly begin: number; readonly end: number } | "none" | "unclear" {
  let depth = 0;
  let groups = 0;
  let begin = -1;
  let end = -1;
  let hasAlternatives = false;
  for (let i = 0; i < source.length; i++) {
    const char = source[i]!;
    if (char === "\\") i++;
    else if (char === "[") {
      for (i++; i < source.length && source[i] !== "]"; i++) if (source[i] === "\\") i++;
    } else if (char === "(") {
      if (source[i + 1] !== "?") {
        groups++;
        if (depth === 0) begin = i;
      }
      depth++;
    } else if (char === ")") {
      if (--depth === 0 && begin >= 0 && end < 0) end = i + 1;
    } else if (char === "|" && depth === 0) hasAlternatives = true;
  }
  if (groups === 0) return "none";
  return groups > 1 || begin < 0 || hasAlternatives || /^[*+?{]/.test(source.slice(end)) ? "unclear" : { begin, end };
}
