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
    explain: diagnosis(translated.beginnings),
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
  /** Growing beginnings of `source`, their groups closed; only where no alternative or repeat is cut in two. */
  readonly beginnings: readonly string[];
  /** What keeps the linear-time engine from running it, where that is plain to see. */
  readonly hazard: string | undefined;
}

/** A group while it is read; not `isWhole` when it has alternatives, is repeated, or only looks. */
interface OpenGroup {
  isWhole: boolean;
}

/** One escape; the capture is the name of a back-reference. */
const ESCAPE = /^\\(?:k<([^>]*)>|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|c[A-Za-z]|[0-9]+|[^])/;
const NAME = /^[\w@-]+(?:\.[\w@-]+)*$/;

function translate(source: string): Translation {
  const names: { group: number; name: string }[] = [];
  const top: OpenGroup = { isWhole: true };
  const open: OpenGroup[] = [top];
  const cuts: { readonly at: number; readonly groups: readonly OpenGroup[] }[] = [];
  const references: { readonly at: number; readonly length: number; readonly name: string }[] = [];
  let hazard: string | undefined;
  let out = "";
  let groups = 0;
  for (let i = 0; i < source.length; i++) {
    const char = source[i]!;
    const rest = source.slice(i, i + 4);
    if (!"*+?{|)".includes(char)) cuts.push({ at: out.length, groups: [...open] });
    if (char === "\\") {
      const [escape, name] = ESCAPE.exec(source.slice(i)) ?? [char];
      if (name !== undefined) references.push({ at: out.length, length: escape.length, name });
      if (name !== undefined || /^\\[1-9]/.test(escape)) hazard = "a back-reference";
      out += escape;
      i += escape.length - 1;
    } else if (char === "{") {
      const repeat = /^\{\d+(?:,\d*)?\}/.exec(source.slice(i, i + 24))?.[0] ?? char;
      out += repeat;
      i += repeat.length - 1;
    } else if (char === "[") {
      let end = i + 1;
      while (end < source.length && source[end] !== "]") end += source[end] === "\\" ? 2 : 1;
      out += source.slice(i, end + 1);
      i = end;
    } else if (char === "(") {
      open.push({ isWhole: true });
      out += "(";
      if (source[i + 1] !== "?") groups++;
      else if (/^\(\?<?[=!]/.test(rest)) {
        hazard = "look-around ((?=, (?!, (?<= or (?<!)";
        open.at(-1)!.isWhole = false;
      } else if (rest.startsWith("(?:")) {
        out += "?:";
        i += 2;
      } else if (rest.startsWith("(?<")) {
        const close = source.indexOf(">", i);
        const name = close < 0 ? "" : source.slice(i + 3, close);
        if (!NAME.test(name)) throw badName(source, name, i);
        names.push({ group: ++groups, name });
        i = close;
      }
    } else {
      if (char === "|") open.at(-1)!.isWhole = false;
      if (char === ")" && open.length > 1 && "*+?{".includes(source[i + 1] ?? " ")) open.at(-1)!.isWhole = false;
      if (char === ")" && open.length > 1) open.pop();
      out += char;
    }
  }
  // From the last to the first, so that places stay right.
  for (const { at, length, name } of references.reverse()) {
    const group = names.find((each) => each.name === name)?.group;
    if (group !== undefined) out = `${out.slice(0, at)}(?:\\${group})${out.slice(at + length)}`;
  }
  const usable =
    references.length > 0 ? [] : cuts.filter(({ groups: around }) => around.every(({ isWhole }) => isWhole));
  const beginnings = usable.map(({ at, groups: around }) => out.slice(0, at) + ")".repeat(around.length - 1));
  return { source: out, names, beginnings, hazard };
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
