import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { parseIsoTime } from "../../core/time.ts";
import type { KqlNode, KqlValue } from "./ast.ts";
import {
  caseInsensitivePattern,
  caseVariants,
  compareText,
  ipv6Digits,
  MAX_WILDCARD_INTEGER,
  networkIn,
  numberIn,
  piecesOf,
  TIME_PATTERN,
  timeBounds,
  timeIn,
  type Operator,
} from "./meaning.ts";

/** Looks a field of one document up; the Path is always the same one for the same place in the query. */
export type Getter = (path: Path) => unknown;

export interface PredicateOptions {
  /** The present, for `now-15m` and the like: asked for each event. Milliseconds since the epoch; default Date.now. */
  readonly now?: () => number;
}

/**
 * Compiles a query to a test of one event. Allocates nothing per event except where a field is an object made of
 * several slots or an IPv6 network is asked for. Make one for each place of use (Paths remember the last layout).
 *
 * Throws KqlSyntaxError only for queries that parseKql does not produce.
 */
export function compilePredicate(node: KqlNode, options: PredicateOptions = {}): (event: LogEvent) => boolean {
  return compile<LogEvent>(node, options.now ?? Date.now, {
    value: (path, test) => (event) => test(event.get(path)),
    time: (_path, test) => (event) => test(Math.round(event.timeMs * 1000)),
  });
}

/** The same over any other kind of document. */
export function compileGetterPredicate(node: KqlNode, options: PredicateOptions = {}): (get: Getter) => boolean {
  return compile<Getter>(node, options.now ?? Date.now, {
    value: (path, test) => (get) => test(get(path)),
    time: (path, test) => (get) => {
      const value = get(path);
      return typeof value === "string" && test(Math.round(parseIsoTime(value) * 1000));
    },
  });
}

type Test = (value: unknown) => boolean;
interface Access<D> {
  value(path: Path, test: Test): (document: D) => boolean;
  /** For `@timestamp`: the test is given microseconds since the epoch. */
  time(path: Path, test: (micros: number) => boolean): (document: D) => boolean;
}

function compile<D>(node: KqlNode, now: () => number, access: Access<D>): (document: D) => boolean {
  switch (node.kind) {
    case "all":
      return () => true;
    case "not": {
      const inner = compile(node.node, now, access);
      return (document) => !inner(document);
    }
    case "and":
      return all(node.nodes.map((inner) => compile(inner, now, access)));
    case "or":
      return any(node.nodes.map((inner) => compile(inner, now, access)));
    case "exists":
      return access.value(new Path(node.field), exists);
    case "text":
      return access.value(new Path("message"), substringTest(node.value));
    case "is": {
      const path = new Path(node.field);
      if (node.field === "message") return access.value(path, substringTest(node.value));
      if (node.field === "@timestamp" && node.value.pieces === undefined) {
        return access.time(path, timeTest("=", node.value.text, now));
      }
      return access.value(path, valueTest(node.value));
    }
    case "compare": {
      const path = new Path(node.field);
      if (node.field === "@timestamp") return access.time(path, timeTest(node.operator, node.value, now));
      return access.value(path, compareTest(node.field, node.operator, node.value, now));
    }
  }
}

function all<D>(tests: readonly ((document: D) => boolean)[]): (document: D) => boolean {
  if (tests.length === 2) {
    const [a, b] = tests as [(document: D) => boolean, (document: D) => boolean];
    return (document) => a(document) && b(document);
  }
  return (document) => {
    for (let i = 0; i < tests.length; i++) if (!tests[i]!(document)) return false;
    return true;
  };
}

function any<D>(tests: readonly ((document: D) => boolean)[]): (document: D) => boolean {
  if (tests.length === 2) {
    const [a, b] = tests as [(document: D) => boolean, (document: D) => boolean];
    return (document) => a(document) || b(document);
  }
  return (document) => {
    for (let i = 0; i < tests.length; i++) if (tests[i]!(document)) return true;
    return false;
  };
}

/** A field exists unless it is null, an empty object, or an array with nothing but nulls. */
function exists(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== "object") return true;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (value[i] !== null && value[i] !== undefined) return true;
    return false;
  }
  for (const key in value)
    if (Object.hasOwn(value, key) && (value as Record<string, unknown>)[key] !== undefined) return true;
  return false;
}

/** Applies a test of scalars to a value or, when it is an array, to its elements until one passes; not to deeper arrays. */
function eachElement(scalar: Test): Test {
  return (value) => {
    if (!Array.isArray(value)) return scalar(value);
    for (let i = 0; i < value.length; i++) if (scalar(value[i])) return true;
    return false;
  };
}

/** `message: x` and a bare x: anywhere in the text, in any case. */
function substringTest(value: KqlValue): Test {
  const pieces = piecesOf(value).filter((piece) => piece !== "");
  if (pieces.length === 0) return eachElement((text) => typeof text === "string");
  if (pieces.length === 1 && [...pieces[0]!].every((char) => caseVariants(char).length === 1)) {
    const piece = pieces[0]!;
    return eachElement((text) => typeof text === "string" && text.includes(piece));
  }
  // ASCII without k and s has no case variants beyond ASCII: then `i` without `u` means the same and is faster.
  const pattern = pieces.every((piece) => /^[\0-\x7f]*$/.test(piece) && !/[ks]/i.test(piece))
    ? new RegExp(pieces.map((piece) => piece.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("[^]*?"), "i")
    : new RegExp(pieces.map(caseInsensitivePattern).join("[^]*?"), "u");
  return eachElement((text) => typeof text === "string" && pattern.test(text));
}

/** `field: x`: the whole value. */
function valueTest(value: KqlValue): Test {
  if (value.pieces !== undefined) return eachElement(wildcardTest(value.pieces));
  const { text } = value;
  const network = networkIn(text);
  if (network !== undefined) {
    const pattern = new RegExp(network.pattern);
    if (network.version === 4) return eachElement((v) => typeof v === "string" && (pattern.test(v) || v === text));
    return eachElement((v) => {
      if (typeof v !== "string") return false;
      if (v === text) return true;
      const digits = ipv6Digits(v);
      return digits !== undefined && pattern.test(digits);
    });
  }
  const number = numberIn(text);
  const truth = text === "true" ? true : text === "false" ? false : undefined;
  if (number !== undefined) return eachElement((v) => v === text || v === number);
  if (truth !== undefined) return eachElement((v) => v === text || v === truth);
  return eachElement((v) => v === text);
}

function wildcardTest(pieces: readonly string[]): Test {
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  const middle = pieces.slice(1, -1).filter((piece) => piece !== "");
  const matches = (text: string): boolean => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (let i = 0; i < middle.length; i++) {
      const found = text.indexOf(middle[i]!, at);
      if (found < 0) return false;
      at = found + middle[i]!.length;
    }
    return at <= text.length - last.length;
  };
  return (value) => {
    if (typeof value === "string") return matches(value);
    if (typeof value === "number")
      return Number.isInteger(value) && Math.abs(value) <= MAX_WILDCARD_INTEGER && matches(String(value));
    return typeof value === "boolean" && matches(value ? "true" : "false");
  };
}

/** Numbers as numbers (also in text), times as times, other text by code points. */
function compareTest(field: string, operator: Operator, text: string, now: () => number): Test {
  const number = numberIn(text);
  if (number !== undefined) {
    return eachElement((value) => {
      const other = typeof value === "number" ? value : typeof value === "string" ? numberIn(value) : undefined;
      return other !== undefined && holds(operator, other < number ? -1 : other > number ? 1 : 0);
    });
  }
  if (timeIn(text, field) !== undefined) {
    const test = timeTest(operator, text, now);
    const shape = new RegExp(TIME_PATTERN);
    return eachElement(
      (value) => typeof value === "string" && shape.test(value) && test(Math.round(parseIsoTime(value) * 1000)),
    );
  }
  return eachElement((value) => typeof value === "string" && holds(operator, compareText(value, text)));
}

function holds(operator: Operator, order: number): boolean {
  switch (operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
  }
}

function timeTest(operator: Operator | "=", text: string, now: () => number): (micros: number) => boolean {
  const expression = timeIn(text, "@timestamp");
  if (expression === undefined) return () => false;
  const isFixed = expression(0).fromMs === expression(1e12).fromMs;
  const fixed = isFixed ? timeBounds(operator, expression(0)) : undefined;
  return (micros) => {
    const { from, to } = fixed ?? timeBounds(operator, expression(now()));
    return micros >= from && micros < to;
  };
}
