import { compileTime, TIME_EXAMPLES } from "../time-range.ts";
import type { KqlNode, KqlValue } from "./ast.ts";
import { KqlSyntaxError } from "./error.ts";
import { bareMistake, valueMistake } from "./mistakes.ts";

const MAX_DEPTH = 100;
/** Every way to read the dots of a name (levels, literal dotted keys) is looked up: 128 for eight parts. */
const MAX_FIELD_PARTS = 8;
const SPACE = /[ \t\r\n]/;
const SPECIAL = '\\():<>"*{}';
const KEYWORD = /^(and|or|not)$/i;

/** A word, or several with spaces between, as written without quotes; or a quoted text. */
interface Literal {
  readonly value: KqlValue;
  readonly start: number;
  readonly end: number;
}

/**
 * Parses a KQL query (docs/kql.md). The grammar is that of Kibana's `kuery` package; where that one reads a word as
 * text although it looks like a mistake (`status = 200`, `'quoted'`, a stray `and`), this one explains the mistake.
 *
 * Throws KqlSyntaxError (WT_KQL_SYNTAX), nothing else, and takes time linear in the text.
 */
export function parseKql(text: string): KqlNode {
  return new Parser(text).query();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  query(): KqlNode {
    this.#skipSpace();
    if (this.#at === this.#text.length) return { kind: "all" };
    const node = this.#or(undefined);
    if (this.#at < this.#text.length) this.#failAfterExpression();
    return node;
  }

  /** `field` is set inside `field: ( … )`, where values stand alone. */
  #or(field: string | undefined): KqlNode {
    const nodes = [this.#and(field)];
    while (this.#takeKeyword("or")) nodes.push(this.#and(field));
    return nodes.length === 1 ? nodes[0]! : { kind: "or", nodes };
  }

  #and(field: string | undefined): KqlNode {
    const nodes = [this.#not(field)];
    while (this.#takeKeyword("and")) nodes.push(this.#not(field));
    return nodes.length === 1 ? nodes[0]! : { kind: "and", nodes };
  }

  #not(field: string | undefined): KqlNode {
    let negations = 0;
    while (this.#takeKeyword("not")) negations++;
    const node = this.#operand(field);
    return negations % 2 === 0 ? node : { kind: "not", node };
  }

  #operand(field: string | undefined): KqlNode {
    if (this.#text[this.#at] === "(") return this.#group(field);
    if (field === undefined) return this.#expression();
    const literal = this.#literal("a value");
    if (field === "@timestamp" && literal.value.pieces === undefined) this.#checkTime(literal);
    return isNode(field, literal.value);
  }

  #group(field: string | undefined): KqlNode {
    const open = this.#at++;
    if (++this.#depth > MAX_DEPTH)
      throw new KqlSyntaxError(`more than ${MAX_DEPTH} parentheses inside each other`, open);
    this.#skipSpace();
    if (this.#text[this.#at] === ")") {
      throw new KqlSyntaxError(
        `nothing inside the parentheses; expected ${field === undefined ? "a condition" : "a value"}`,
        this.#at,
      );
    }
    const node = this.#or(field);
    this.#skipSpace();
    if (this.#at === this.#text.length) {
      throw new KqlSyntaxError('"(" is never closed', open, { fix: this.#text.trimEnd() + ")" });
    }
    if (this.#text[this.#at] !== ")") this.#failAfterExpression();
    this.#at++;
    this.#depth--;
    this.#skipSpace();
    return node;
  }

  #expression(): KqlNode {
    const literal = this.#literal("a field name or a value");
    const next = this.#text[this.#at];
    if (next === ":") return this.#fieldValue(literal);
    if (next === "<" || next === ">") return this.#fieldRange(literal);
    const mistake = literal.value.quoted ? undefined : bareMistake(this.#text, literal.start, literal.end);
    if (mistake !== undefined) throw mistake;
    const { pieces } = literal.value;
    return pieces?.every((piece) => piece === "") === true ? { kind: "all" } : { kind: "text", value: literal.value };
  }

  #fieldValue(literal: Literal): KqlNode {
    const colon = this.#at++;
    this.#skipSpace();
    const next = this.#text[this.#at];
    if (next === "(") return this.#group(this.#fieldName(literal, colon));
    if (next === "{") {
      throw new KqlSyntaxError("nested queries with braces are not supported", this.#at, {
        hint: `name the inner fields in full: ${literal.value.text}.inner: value`,
      });
    }
    if (next === "<" || next === ">") {
      const fix = this.#text.slice(0, colon).trimEnd() + " " + this.#text.slice(this.#at);
      throw new KqlSyntaxError(`"${next}" after ":"; a range has no colon`, this.#at, { fix });
    }
    if (next === undefined || next === ")" || KEYWORD.test(this.#wordAt(this.#at))) {
      throw new KqlSyntaxError(`expected a value after "${literal.value.text}:", found ${this.#found()}`, this.#at, {
        hint: `"${literal.value.text}: *" finds events that have the field; put and, or, not in quotes to search for the words`,
      });
    }
    if (literal.value.pieces?.every((piece) => piece === "") === true) {
      const value = this.#literal("a value").value;
      if (value.pieces?.every((piece) => piece === "") === true) return { kind: "all" };
      throw new KqlSyntaxError("the field name is a wildcard, which is not supported", literal.start, {
        hint: "name the field, or write only the value to search in message",
      });
    }
    const field = this.#fieldName(literal, colon);
    const mistake = valueMistake(this.#text, field, literal.start, this.#at);
    if (mistake !== undefined) throw mistake;
    const value = this.#literal("a value");
    if (this.#text[this.#at] === ":") this.#failValueWithColon(value);
    if (field === "@timestamp" && value.value.pieces === undefined) this.#checkTime(value);
    return isNode(field, value.value);
  }

  #fieldRange(literal: Literal): KqlNode {
    const field = this.#fieldName(literal, this.#at);
    const first = this.#text[this.#at++] as "<" | ">";
    const orEqual = this.#text[this.#at] === "=";
    if (orEqual) this.#at++;
    this.#skipSpace();
    const operator = orEqual ? (`${first}=` as const) : first;
    const value = this.#literal("a value");
    if (this.#text[this.#at] === ":") this.#failValueWithColon(value);
    if (value.value.pieces !== undefined) {
      throw new KqlSyntaxError(`a wildcard cannot be compared with ${operator}`, value.start, {
        hint: `"${field}: *" finds events that have the field`,
      });
    }
    if (field === "@timestamp") this.#checkTime(value);
    return { kind: "compare", field, operator, value: value.value.text };
  }

  #checkTime(value: Literal): void {
    if (compileTime(value.value.text, "utc") !== undefined) return;
    throw new KqlSyntaxError(`"${value.value.text}" is not a time`, value.start, {
      hint: `times look like ${TIME_EXAMPLES} (in quotes when they hold a colon)`,
    });
  }

  #fieldName(literal: Literal, end: number): string {
    const { text, quoted, pieces } = literal.value;
    if (pieces !== undefined) {
      throw new KqlSyntaxError("wildcards in field names are not supported", literal.start, {
        hint: "name the fields, joined with or",
      });
    }
    if (text === "") throw new KqlSyntaxError("the field name is empty", literal.start);
    if (!quoted && text === "_exists_") {
      throw new KqlSyntaxError('"_exists_" is Lucene, not KQL', literal.start, {
        hint: 'write "field: *" to find events that have the field',
      });
    }
    if (!quoted && SPACE.test(text)) {
      const lastSpace =
        this.#text
          .slice(literal.start, end)
          .trimEnd()
          .search(/[ \t\r\n]\S*$/) + literal.start;
      throw new KqlSyntaxError(
        `expected and, or, or the end after "${this.#text.slice(literal.start, lastSpace).trimEnd()}"`,
        lastSpace + 1,
        {
          fix: `${this.#text.slice(0, lastSpace)} and ${this.#text.slice(lastSpace + 1)}`,
        },
      );
    }
    if (text.split(".").length > MAX_FIELD_PARTS) {
      throw new KqlSyntaxError(`a field name has at most ${MAX_FIELD_PARTS} parts between dots`, literal.start);
    }
    return text;
  }

  /** Also skips the space after it. */
  #literal(expected: string): Literal {
    const start = this.#at;
    const value = this.#text[start] === '"' ? this.#quoted() : this.#unquoted(expected);
    const end = this.#at;
    this.#skipSpace();
    return { value, start, end };
  }

  #quoted(): KqlValue {
    const start = this.#at++;
    let text = "";
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) {
        throw new KqlSyntaxError('the quote " is never closed', start, {
          fix: this.#text + (/(^|[^\\])(\\\\)*\\$/.test(this.#text) ? '\\"' : '"'),
        });
      }
      this.#at++;
      if (char === '"') return { text, quoted: true, pieces: undefined };
      text += char === "\\" ? this.#escapeInQuotes() : char;
    }
  }

  #escapeInQuotes(): string {
    const next = this.#text[this.#at];
    if (next === "\\" || next === '"') {
      this.#at++;
      return next;
    }
    return this.#controlEscape() ?? "\\";
  }

  /** `\t`, `\r`, `\n` or `\uXXXX`, the backslash already read. */
  #controlEscape(): string | undefined {
    const next = this.#text[this.#at];
    const control = next === "t" ? "\t" : next === "r" ? "\r" : next === "n" ? "\n" : undefined;
    if (control !== undefined) {
      this.#at++;
      return control;
    }
    const hex = /^u([0-9a-fA-F]{4})/.exec(this.#text.slice(this.#at, this.#at + 5));
    if (hex === null) return undefined;
    this.#at += 5;
    return String.fromCharCode(parseInt(hex[1]!, 16));
  }

  #unquoted(expected: string): KqlValue {
    const start = this.#at;
    const pieces: string[] = [];
    let piece = "";
    // Spaces are part of a value when more of it follows them: `message: connection refused`.
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) break;
      if (SPACE.test(char)) {
        const next = this.#afterSpace(this.#at);
        const word = this.#wordAt(next);
        const follows = this.#text[next];
        if (
          follows === undefined ||
          (SPECIAL.includes(follows) && follows !== "*" && follows !== "\\") ||
          KEYWORD.test(word)
        )
          break;
        piece += this.#text.slice(this.#at, next);
        this.#at = next;
      } else if (char === "\\") {
        this.#at++;
        piece += this.#escapeUnquoted();
      } else if (char === "*") {
        this.#at++;
        pieces.push(piece);
        piece = "";
      } else if (SPECIAL.includes(char) || (this.#at === start && KEYWORD.test(this.#wordAt(start)))) break;
      else {
        this.#at++;
        piece += char;
      }
    }
    if (this.#at === start) {
      throw new KqlSyntaxError(`expected ${expected}, found ${this.#found()}`, start, this.#hintForMissing(start));
    }
    if (pieces.length === 0) return { text: piece, quoted: false, pieces: undefined };
    pieces.push(piece);
    return { text: pieces.join("*"), quoted: false, pieces };
  }

  #escapeUnquoted(): string {
    const control = this.#controlEscape();
    if (control !== undefined) return control;
    const next = this.#text[this.#at];
    const word = this.#wordAt(this.#at);
    if (KEYWORD.test(word)) {
      this.#at += word.length;
      return word;
    }
    if (next !== undefined && SPECIAL.includes(next)) {
      this.#at++;
      return next;
    }
    const before = this.#text.slice(0, this.#at - 1);
    throw new KqlSyntaxError(`"\\${next ?? ""}" is not an escape`, this.#at - 1, {
      hint: 'write \\\\ for a backslash; \\ also goes before one of ( ) : < > " * { } and the words and, or, not',
      ...(next === undefined ? { fix: `${before}\\\\` } : {}),
    });
  }

  #takeKeyword(keyword: string): boolean {
    this.#skipSpace();
    const word = this.#wordAt(this.#at);
    if (word.toLowerCase() !== keyword) return false;
    this.#at += word.length;
    this.#skipSpace();
    return true;
  }

  /** The letters from `at` to the next space or special character; "" when more than a keyword's worth. */
  #wordAt(at: number): string {
    let end = at;
    while (
      end < this.#text.length &&
      end - at < 5 &&
      !SPACE.test(this.#text[end]!) &&
      !SPECIAL.includes(this.#text[end]!)
    )
      end++;
    return end - at < 5 ? this.#text.slice(at, end) : "";
  }

  #skipSpace(): void {
    this.#at = this.#afterSpace(this.#at);
  }

  #afterSpace(at: number): number {
    while (at < this.#text.length && SPACE.test(this.#text[at]!)) at++;
    return at;
  }

  #found(): string {
    if (this.#at >= this.#text.length) return "the end of the query";
    const word = this.#wordAt(this.#at);
    return `"${word === "" ? this.#text[this.#at]! : word}"`;
  }

  #hintForMissing(start: number): { hint?: string; fix?: string } {
    const word = this.#wordAt(start);
    if (KEYWORD.test(word)) return { hint: `put it in quotes to search for the word: "${word}"` };
    if (start >= this.#text.length) return { hint: "end the query before the last and, or, not" };
    return {};
  }

  #failAfterExpression(): never {
    const char = this.#text[this.#at]!;
    const before = this.#text.slice(0, this.#at).trimEnd();
    if (char === ")") {
      throw new KqlSyntaxError('")" without a "(" before it', this.#at, {
        fix: `${before}${this.#text.slice(this.#at + 1)}`,
      });
    }
    const word = this.#wordAt(this.#at);
    const hint = KEYWORD.test(word) ? `write "and not", or put the words in quotes to search for them` : undefined;
    const fix = char === "(" || char === '"' ? `${before} and ${this.#text.slice(this.#at)}` : undefined;
    throw new KqlSyntaxError(`expected and, or, or the end, found ${this.#found()}`, this.#at, { hint, fix });
  }

  #failValueWithColon(value: Literal): never {
    const written = this.#text.slice(value.start, value.end);
    const lastSpace = value.value.quoted ? -1 : written.search(/[ \t\r\n]\S*$/);
    if (lastSpace >= 0) {
      const at = value.start + lastSpace;
      throw new KqlSyntaxError(
        `expected and, or, or the end after "${written.slice(0, lastSpace).trimEnd()}"`,
        at + 1,
        {
          fix: `${this.#text.slice(0, at)} and ${this.#text.slice(at + 1)}`,
        },
      );
    }
    if (value.value.quoted) this.#failAfterExpression();
    const rest = /^[^\s()]*/.exec(this.#text.slice(this.#at))![0];
    const end = this.#at + rest.length;
    const quoted = `"${this.#text.slice(value.start, end).replace(/"/g, "")}"`;
    throw new KqlSyntaxError('a value that holds ":" has to be in quotes', this.#at, {
      fix: this.#text.slice(0, value.start) + quoted + this.#text.slice(end),
    });
  }
}

function isNode(field: string, value: KqlValue): KqlNode {
  if (value.pieces?.every((piece) => piece === "") === true) return { kind: "exists", field };
  return { kind: "is", field, value };
}
