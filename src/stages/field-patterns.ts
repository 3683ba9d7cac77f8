/** What the patterns say of a field: all of it matches, something inside it may match, or nothing does. */
export type Matched = "all" | "some" | "none";

/**
 * Names of fields, in which `*` stands for any characters, dots included. A name matches the field and all that it
 * holds: `user` matches `user.name`.
 */
export class FieldPatterns {
  readonly #names: ReadonlySet<string>;
  readonly #prefixes: readonly string[];
  readonly #wild: readonly { readonly regex: RegExp; readonly before: string }[];
  /** Answers by name: events of one source have the same names. */
  readonly #known = new Map<string, Matched>();

  constructor(patterns: readonly string[]) {
    const plain = patterns.filter((pattern) => !pattern.includes("*"));
    this.#names = new Set(plain);
    this.#prefixes = plain.map((name) => name + ".");
    this.#wild = patterns
      .filter((pattern) => pattern.includes("*"))
      .map((pattern) => ({ regex: wildcardRegex(pattern), before: pattern.slice(0, pattern.indexOf("*")) }));
  }

  get isEmpty(): boolean {
    return this.#names.size === 0 && this.#wild.length === 0;
  }

  match(name: string): Matched {
    let matched = this.#known.get(name);
    if (matched === undefined) {
      matched = this.#find(name);
      if (this.#known.size < MAX_KNOWN) this.#known.set(name, matched);
    }
    return matched;
  }

  #find(name: string): Matched {
    const inside = name + ".";
    if (this.#names.has(name) || this.#prefixes.some((prefix) => name.startsWith(prefix))) return "all";
    if (this.#wild.some(({ regex }) => regex.test(name))) return "all";
    if (this.#prefixes.some((prefix) => prefix.startsWith(inside))) return "some";
    return this.#wild.some(({ before }) => before.startsWith(inside) || inside.startsWith(before)) ? "some" : "none";
  }
}

const MAX_KNOWN = 4096;

function wildcardRegex(pattern: string): RegExp {
  const source = pattern
    .split("*")
    .map((piece) => piece.replace(/[\\^$.|?*+()[\]{}/-]/g, "\\$&"))
    .join("[^]*");
  return new RegExp(`^${source}(?:\\.[^]*)?$`);
}
