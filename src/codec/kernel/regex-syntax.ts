/** A class of characters by byte: CLASS_* of assembly/machine/opcodes.ts. */
export interface CharacterClass {
  readonly table: Uint8Array;
  /** Set when it is every character but these (at most three ASCII ones); `dot` leaves U+2028 and U+2029 out too. */
  readonly except: readonly number[] | undefined;
  readonly isDot: boolean;
}

export type RegexNode =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "class"; readonly class: CharacterClass }
  | { readonly kind: "sequence"; readonly nodes: readonly RegexNode[] }
  | { readonly kind: "choice"; readonly nodes: readonly RegexNode[] }
  | { readonly kind: "group"; readonly index: number; readonly node: RegexNode }
  | {
      readonly kind: "repeat";
      readonly node: RegexNode;
      readonly min: number;
      readonly max: number;
      readonly isLazy: boolean;
    }
  | { readonly kind: "end" };

export interface ParsedRegex {
  readonly root: RegexNode;
  readonly isAnchored: boolean;
  readonly groups: number;
}

/** Thrown for what is not supported. */
class Unsupported extends Error {}

/**
 * Parses a regular expression (JavaScript's syntax, no flags) that compiles in JavaScript. Undefined where it has
 * something that cannot be matched byte by byte in UTF-8 with the same result: look-around, back-references, word
 * boundaries, characters beyond ASCII in classes.
 */
export function parseRegex(source: string): ParsedRegex | undefined {
  try {
    return new Parser(source).parse();
  } catch (error) {
    if (error instanceof Unsupported) return undefined;
    throw error;
  }
}

const NO = 0;
const YES = 1;
const UNSURE = 2;
const DIGITS = (byte: number): boolean => byte >= 48 && byte <= 57;
const WORD = (byte: number): boolean =>
  DIGITS(byte) || byte === 95 || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
const SPACE = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);
/** First bytes of the characters beyond ASCII that `\s` takes. */
const SPACE_LEADS = new Set([0xc2, 0xe1, 0xe2, 0xe3, 0xef]);
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };

class Parser {
  readonly #source: string;
  #at = 0;
  #groups = 0;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): ParsedRegex {
    const alternatives: RegexNode[] = [];
    let anchored = 0;
    do {
      if (this.#take("^")) anchored++;
      alternatives.push(this.#sequence());
    } while (this.#take("|"));
    if (this.#at < this.#source.length || (anchored > 0 && anchored < alternatives.length)) throw new Unsupported();
    return { root: choice(alternatives), isAnchored: anchored > 0, groups: this.#groups };
  }

  #alternatives(): RegexNode {
    const nodes: RegexNode[] = [];
    do nodes.push(this.#sequence());
    while (this.#take("|"));
    return choice(nodes);
  }

  #sequence(): RegexNode {
    const nodes: RegexNode[] = [];
    while (this.#at < this.#source.length && !"|)".includes(this.#source[this.#at]!)) {
      const node = this.#quantified(this.#atom());
      const last = nodes.at(-1);
      if (node.kind === "literal" && last?.kind === "literal") {
        nodes[nodes.length - 1] = { kind: "literal", text: last.text + node.text };
      } else nodes.push(node);
    }
    return nodes.length === 1 ? nodes[0]! : { kind: "sequence", nodes };
  }

  #atom(): RegexNode {
    const char = this.#source[this.#at++]!;
    if (char === "$") return { kind: "end" };
    if (char === "^" || "*+?{".includes(char)) throw new Unsupported();
    if (char === ".") return { kind: "class", class: except([10, 13], true) };
    if (char === "[") return { kind: "class", class: this.#class() };
    if (char === "\\") return this.#escape();
    if (char === "(") {
      const isCapture = !this.#take("?:");
      if (isCapture && this.#source[this.#at] === "?") throw new Unsupported();
      const index = isCapture ? ++this.#groups : 0;
      const node = this.#alternatives();
      if (!this.#take(")")) throw new Unsupported();
      return isCapture ? { kind: "group", index, node } : node;
    }
    // A pair of surrogates is one character in UTF-8.
    const code = char.charCodeAt(0);
    if (code >= 0xd800 && code <= 0xdfff) throw new Unsupported();
    if (code >= 0x80 && "*+?{".includes(this.#source[this.#at] ?? " ")) throw new Unsupported();
    return { kind: "literal", text: char };
  }

  #escape(): RegexNode {
    const char = this.#source[this.#at++] ?? "";
    const known = shorthand(char);
    if (known !== undefined) return { kind: "class", class: known };
    return { kind: "literal", text: String.fromCharCode(this.#escaped(char)) };
  }

  /** The code of an escaped character; the escape's first letter is taken already. */
  #escaped(char: string): number {
    if (char === "x" || char === "u") {
      const length = char === "x" ? 2 : 4;
      const digits = this.#source.slice(this.#at, this.#at + length);
      if (!/^[0-9A-Fa-f]+$/.test(digits) || digits.length < length) throw new Unsupported();
      this.#at += length;
      const code = parseInt(digits, 16);
      if (code >= 0x80) throw new Unsupported();
      return code;
    }
    const control = Object.hasOwn(CONTROLS, char) ? CONTROLS[char]! : undefined;
    if (control !== undefined) {
      if (char === "0" && /[0-9]/.test(this.#source[this.#at] ?? "")) throw new Unsupported();
      return control;
    }
    if (char === "" || /[A-Za-z0-9]/.test(char) || char.charCodeAt(0) >= 0x80) throw new Unsupported();
    return char.charCodeAt(0);
  }

  #class(): CharacterClass {
    const isNegated = this.#take("^");
    const table = new Uint8Array(256);
    const single = (): number | CharacterClass => {
      const char = this.#source[this.#at++];
      if (char === undefined) throw new Unsupported();
      if (char !== "\\") {
        if (char.charCodeAt(0) >= 0x80) throw new Unsupported();
        return char.charCodeAt(0);
      }
      const letter = this.#source[this.#at++] ?? "";
      if (letter === "b") return 8;
      if (letter === "-") return 45;
      return shorthand(letter) ?? this.#escaped(letter);
    };
    while (!this.#take("]")) {
      const from = single();
      if (typeof from !== "number") {
        from.table.forEach((state, byte) => (table[byte] = Math.max(table[byte]!, state)));
        if (this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]") throw new Unsupported();
        continue;
      }
      let to = from;
      if (this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]" && this.#at + 1 < this.#source.length) {
        this.#at++;
        const end = single();
        if (typeof end !== "number") throw new Unsupported();
        to = end;
      }
      for (let byte = from; byte <= to; byte++) table[byte] = YES;
    }
    if (!isNegated) return { table, except: undefined, isDot: false };
    const left = [...table.keys()].filter((byte) => table[byte] !== NO);
    if (left.length <= 3 && left.every((byte) => byte < 0x80 && table[byte] === YES)) return except(left, false);
    return { table: table.map((state) => (state === UNSURE ? UNSURE : 1 - state)), except: undefined, isDot: false };
  }

  #quantified(node: RegexNode): RegexNode {
    let [min, max] = [1, 1];
    if (this.#take("*")) [min, max] = [0, Infinity];
    else if (this.#take("+")) [min, max] = [1, Infinity];
    else if (this.#take("?")) [min, max] = [0, 1];
    else {
      const counted = /^\{(\d+)(,(\d*))?\}/.exec(this.#source.slice(this.#at, this.#at + 24));
      if (counted === null) return node;
      this.#at += counted[0].length;
      min = Number(counted[1]);
      max = counted[2] === undefined ? min : counted[3] === "" ? Infinity : Number(counted[3]);
    }
    if (node.kind === "end") throw new Unsupported();
    return { kind: "repeat", node, min, max, isLazy: this.#take("?") };
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }
}

function choice(nodes: readonly RegexNode[]): RegexNode {
  return nodes.length === 1 ? nodes[0]! : { kind: "choice", nodes };
}

/** Every character but some ASCII ones. */
function except(bytes: readonly number[], isDot: boolean): CharacterClass {
  const table = new Uint8Array(256).fill(YES);
  for (const byte of bytes) table[byte] = NO;
  if (isDot) table[0xe2] = UNSURE;
  return { table, except: bytes, isDot };
}

function shorthand(letter: string): CharacterClass | undefined {
  const test = { d: DIGITS, w: WORD, s: SPACE }[letter.toLowerCase()];
  if (test === undefined) return undefined;
  const isNegated = letter < "a";
  const isSpace = test === SPACE;
  const table = Uint8Array.from({ length: 256 }, (_, byte) => {
    if (byte < 0x80) return test(byte) === isNegated ? NO : YES;
    if (isSpace && SPACE_LEADS.has(byte)) return UNSURE;
    return isNegated ? YES : NO;
  });
  return { table, except: undefined, isDot: false };
}
