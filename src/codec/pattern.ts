import v8 from "node:v8";
import { WiretailError } from "../core/error.ts";

/** A user's regular expression, ready to run. */
export interface Pattern {
  /** Without the `g` and `y` flags: it searches from the start each time. */
  readonly regex: RegExp;
  /** The fields that named groups give, each once. */
  readonly fields: readonly string[];
  /** For each named group in order: the index of its capture, and of its field in `fields`. */
  readonly captures: readonly { readonly group: number; readonly field: number }[];
  /** Says how far a text that does not match got: `does not match the pattern (matched up to "…" at character 27)`. */
  readonly explain: (text: string) => string;
}

const PROTECTION = "--enable-experimental-regexp-engine-on-excessive-backtracks";
let protection: boolean | undefined;

/**
 * Makes V8 finish a regular expression that backtracks too much on its linear-time engine, at no cost to others, and
 * proves by a catastrophic pattern that this V8 does so. Call it first thing in a process. Returns false when this V8
 * cannot: then a hostile line may stall a pattern such as `^(a+)+$`, and the process should say so.
 */
export function protectAgainstBacktracking(): boolean {
  if (protection === undefined) {
    v8.setFlagsFromString(PROTECTION);
    protection = false;
    // Unprotected this takes over 200 ms. Three tries, because a busy machine may be slow at a fast thing, but not the reverse.
    for (let attempt = 0; attempt < 3 && !protection; attempt++) {
      const began = performance.now();
      new RegExp(`^(a+)+${attempt}$`).test("a".repeat(23) + "b");
      protection = performance.now() - began < 60;
    }
  }
  return protection;
}

/**
 * Whether V8's linear-time engine can run the pattern, which is what `protectAgainstBacktracking` needs: no
 * look-around, no back-references, no large counted repeats, and none of the flags `i`, `u`, `v`, `d`.
 */
export function isLinearTime(source: string): boolean {
  v8.setFlagsFromString("--enable-experimental-regexp-engine");
  try {
    return new RegExp(source, "l") instanceof RegExp;
  } catch {
    return false;
  } finally {
    v8.setFlagsFromString("--no-enable-experimental-regexp-engine");
  }
}

/**
 * Compiles a regular expression (JavaScript syntax, no flags) whose named groups are called like the fields they give:
 * `^(?<source.ip>\S+) (?<message>.*)$`. Names may hold letters, digits, `_`, `-`, `@` and dots; one name may stand in
 * several alternatives. Groups without a name are only groups.
 *
 * Throws WT_PATTERN_REFUSED for what is no regular expression, and, unless `allowBacktracking`, for patterns that
 * could take exponential time on some text.
 */
export function compilePattern(source: string, options: { allowBacktracking?: boolean } = {}): Pattern {
  protectAgainstBacktracking();
  const translated = translate(source);
  let regex: RegExp;
  try {
    regex = new RegExp(translated.source);
  } catch (error) {
    const message = (error as Error).message.replace(/^Invalid regular expression: \/.*\/[a-z]*: /s, "");
    throw new WiretailError("WT_PATTERN_REFUSED", `pattern ${quoted(source)} is not a regular expression: ${message}`, {
      cause: error,
    });
  }
  if (options.allowBacktracking !== true && !isLinearTime(translated.source)) {
    const because = translated.hazard ?? "a counted repeat with a large bound";
    throw new WiretailError(
      "WT_PATTERN_REFUSED",
      `pattern ${quoted(source)} may take exponential time on some lines: it has ${because}`,
      {
        hint: 'Write it without (a negated class such as [^"]* often does), or set allow_backtracking: true if no line can be hostile.',
      },
    );
  }
  const fields = [...new Set(translated.names.map(({ name }) => name))];
  return {
    regex,
    fields,
    captures: translated.names.map(({ group, name }) => ({ group, field: fields.indexOf(name) })),
    explain: diagnosis(translated.cuts.map((cut) => translated.source.slice(0, cut))),
  };
}

/**
 * A function that says how far a text got that does not match, by the longest of some growing beginnings of the
 * pattern that does match. They are compiled when the first text fails.
 */
export function diagnosis(beginnings: readonly string[]): (text: string) => string {
  let regexes: readonly RegExp[] | undefined;
  return (text) => {
    regexes ??= beginnings.flatMap(compileOrNone);
    let low = -1;
    let high = regexes.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (regexes[middle]!.test(text)) low = middle;
      else high = middle - 1;
    }
    const match = low < 0 ? null : regexes[low]!.exec(text);
    const end = match === null ? 0 : match.index + match[0].length;
    if (end === 0) return "does not match the pattern";
    const shown = end > 24 ? "…" + text.slice(end - 24, end) : text.slice(0, end);
    return `does not match the pattern (matched up to ${JSON.stringify(shown)} at character ${end})`;
  };
}

function compileOrNone(source: string): RegExp[] {
  try {
    return [new RegExp(source)];
  } catch {
    return [];
  }
}

interface Translation {
  /** With plain groups in place of named ones, so that names may be anything and V8 builds no `groups` object. */
  readonly source: string;
  readonly names: readonly { readonly group: number; readonly name: string }[];
  /** Places in `source` where a part of the topmost sequence begins; none when it has alternatives. */
  readonly cuts: readonly number[];
  /** What keeps the linear-time engine from running it, where that is plain to see. */
  readonly hazard: string | undefined;
}

const NAME = /^[\w@-]+(?:\.[\w@-]+)*$/;

function translate(source: string): Translation {
  const names: { group: number; name: string }[] = [];
  const cuts: number[] = [];
  const references: string[] = [];
  let hazard: string | undefined;
  let hasAlternatives = false;
  let out = "";
  let groups = 0;
  let depth = 0;
  for (let i = 0; i < source.length; i++) {
    const char = source[i]!;
    const rest = source.slice(i, i + 4);
    if (depth === 0 && !"*+?{|)".includes(char)) cuts.push(out.length);
    if (char === "\\") {
      const reference = /^\\k<([^>]*)>/.exec(source.slice(i));
      if (reference !== null) {
        references.push(reference[1]!);
        out += `\u0000${references.length - 1}\u0000`;
        i += reference[0].length - 1;
      } else {
        out += source.slice(i, i + 2);
        i++;
      }
      if (reference !== null || /^\\[1-9]/.test(rest)) hazard = "a back-reference";
    } else if (char === "[") {
      let end = i + 1;
      while (end < source.length && source[end] !== "]") end += source[end] === "\\" ? 2 : 1;
      out += source.slice(i, end + 1);
      i = end;
    } else if (char === "(") {
      depth++;
      out += "(";
      if (source[i + 1] !== "?") groups++;
      else if (/^\(\?<?[=!]/.test(rest)) hazard = "look-around ((?=, (?!, (?<= or (?<!)";
      else if (rest.startsWith("(?<")) {
        const close = source.indexOf(">", i);
        const name = close < 0 ? "" : source.slice(i + 3, close);
        if (!NAME.test(name)) throw badName(source, name, i);
        names.push({ group: ++groups, name });
        i = close;
      }
    } else {
      if (char === ")") depth--;
      if (char === "|" && depth === 0) hasAlternatives = true;
      out += char;
    }
  }
  const resolved = out.replace(/\u0000(\d+)\u0000/g, (_, index: string) => {
    const group = names.find(({ name }) => name === references[Number(index)])?.group;
    return group === undefined ? `\\k<${references[Number(index)]!}>` : `(?:\\${group})`;
  });
  return { source: resolved, names, cuts: hasAlternatives || references.length > 0 ? [] : cuts, hazard };
}

function badName(source: string, name: string, at: number): WiretailError {
  const message = `pattern ${quoted(source)}: the group at position ${at + 1} has the name "${name}", which is not a field`;
  return new WiretailError("WT_PATTERN_REFUSED", message, {
    hint: "A group is named like the field it gives: letters, digits, _ - @, and dots between levels, as in (?<http.request.method>[A-Z]+).",
  });
}

function quoted(source: string): string {
  return JSON.stringify(source.length > 60 ? source.slice(0, 60) + "…" : source);
}
