import type { Envelope, LogEvent } from "../core/event.ts";
import { Layout, type LayoutTree } from "../core/layout.ts";
import { formatIsoTime } from "../core/time.ts";

/**
 * Events as JSON documents. For each layout and set of envelope fields a function is made once that joins constant
 * text and values, so that `JSON.stringify` is only called for values that are not plain (nested objects, strings with
 * characters to escape). It writes exactly what `JSON.stringify(event.toObject())` means; members may come in another
 * order.
 *
 * What it returns are the document's *members*: without the opening brace, with `}` and a newline at the end, because
 * encodings put different text in front (see Encoding in core/batch.ts).
 */
export function documentMembers(event: LogEvent): string {
  const { envelope, layout } = event;
  if (layout === Layout.generic) return JSON.stringify(event.toObject()).slice(1) + "\n";
  const prepared = prepareEnvelope(envelope);
  if (layout !== lastLayout || prepared.shape !== lastShape) {
    lastWriter =
      (layout.prepared.get(prepared.shape) as MembersWriter | undefined) ?? makeWriter(layout, prepared.shape);
    lastLayout = layout;
    lastShape = prepared.shape;
  }
  return lastWriter!(event.values, formatIsoTime(event.timeMs), event.offset, prepared.texts, quote);
}

/** The constant text around the two things that vary between the raw lines of one batch. */
export interface LineFrame {
  /** Up to the message's JSON string. */
  readonly head: string;
  /** Between the message and the offset; with `tail` empty when the envelope has no offset. */
  readonly middle: string;
  readonly tail: string;
  readonly hasOffset: boolean;
}

/** The frame of a line that no stage touches: the same document as `documentMembers(new LogEvent(line, …))`. */
export function lineFrame(envelope: Envelope, timeMs: number): LineFrame {
  const prepared = prepareEnvelope(envelope);
  const writer =
    (Layout.message.prepared.get(prepared.shape) as MembersWriter | undefined) ??
    makeWriter(Layout.message, prepared.shape);
  // A raw control character can stand nowhere else: every other text in there is JSON. The writer puts what is constant
  // first, the offset too; here the message comes first, so that one piece of text lies between the two.
  const text = writer([""], formatIsoTime(timeMs), "\u0002", prepared.texts, () => "\u0001");
  const time = `"@timestamp":"${formatIsoTime(timeMs)}"`;
  const head = time + MESSAGE_MEMBER;
  const rest = text.slice(time.length).replace(MESSAGE_MEMBER + "\u0001", "");
  const [middle = "", tail] = rest.split("\u0002");
  return { head, middle, tail: tail ?? "", hasOffset: tail !== undefined };
}

const MESSAGE_MEMBER = ',"message":';

/** A string as JSON, or any other value. One test for the common case: nothing to escape. */
export function quote(value: unknown): string {
  if (typeof value === "string") return NEEDS_ESCAPE.test(value) ? JSON.stringify(value) : '"' + value + '"';
  if (typeof value === "number") return Number.isFinite(value) ? "" + value : "null";
  return JSON.stringify(value) ?? "null";
}

/** Characters that JSON.stringify writes differently: quote, backslash, controls, and surrogates (lone ones). */
const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/;

/** Whether nothing in a text but quotes and line feeds has to be escaped in JSON. */
export function hasOnlyQuotesToEscape(text: string): boolean {
  return !/[\\\u0000-\u0009\u000b-\u001f\ud800-\udfff]/.test(text);
}

type MembersWriter = (
  values: readonly unknown[],
  time: string,
  offset: number | string,
  texts: readonly string[],
  quote: (value: unknown) => string,
) => string;

/** Which names an envelope has; envelopes with the same names share one shape. */
interface EnvelopeShape {
  readonly paths: readonly (readonly string[])[];
  readonly offset: readonly string[] | undefined;
}
interface PreparedEnvelope {
  readonly shape: EnvelopeShape;
  /** The values as JSON. */
  readonly texts: readonly string[];
}

const shapes = new Map<string, EnvelopeShape>();
const preparedEnvelopes = new WeakMap<Envelope, PreparedEnvelope>();
let lastEnvelope: Envelope | undefined;
let lastPrepared: PreparedEnvelope | undefined;
let lastLayout: Layout | undefined;
let lastShape: EnvelopeShape | undefined;
let lastWriter: MembersWriter | undefined;

function prepareEnvelope(envelope: Envelope): PreparedEnvelope {
  if (envelope === lastEnvelope) return lastPrepared!;
  let prepared = preparedEnvelopes.get(envelope);
  if (prepared === undefined) {
    const paths = envelope.paths.map((path) => path.parts);
    const offset = envelope.offsetPath?.parts;
    const key = JSON.stringify([paths, offset]);
    let shape = shapes.get(key);
    if (shape === undefined) shapes.set(key, (shape = { paths, offset }));
    prepared = { shape, texts: envelope.values.map((value) => JSON.stringify(value)) };
    preparedEnvelopes.set(envelope, prepared);
  }
  lastEnvelope = envelope;
  lastPrepared = prepared;
  return prepared;
}

/** A node of the document: a value of the event, a constant of the layout, text of the envelope, the offset, or an object. */
type Node =
  | { readonly kind: "slot"; readonly index: number; readonly under?: ObjectNode }
  | { readonly kind: "constant"; readonly json: string }
  | { readonly kind: "text"; readonly index: number }
  | { readonly kind: "offset" }
  | ObjectNode;
type ObjectNode = { readonly kind: "object"; readonly members: Map<string, Node> };

function makeWriter(layout: Layout, shape: EnvelopeShape): MembersWriter {
  const root: ObjectNode = { kind: "object", members: new Map() };
  addTree(root, layout, layout.tree);
  shape.paths.forEach((keys, index) => addEnvelope(root, keys, { kind: "text", index }));
  if (shape.offset !== undefined) addEnvelope(root, shape.offset, { kind: "offset" });
  const body = new WriterCode().document(root);
  // The source holds only JSON.stringify's text, slot numbers and our own words.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const make = new Function(
    "merge",
    `"use strict"; return function (values, time, offset, texts, quote) {${body}}`,
  ) as (merge: typeof mergeUnder) => MembersWriter;
  const writer = make(mergeUnder);
  layout.prepared.set(shape, writer);
  return writer;
}

function addTree(node: ObjectNode, layout: Layout, tree: LayoutTree): void {
  for (const [key, child] of tree) {
    if (typeof child === "number") {
      const json = layout.constants[child];
      node.members.set(key, json === undefined ? { kind: "slot", index: child } : { kind: "constant", json });
    } else {
      const inner: ObjectNode = { kind: "object", members: new Map() };
      node.members.set(key, inner);
      addTree(inner, layout, child);
    }
  }
}

/** Puts an envelope field in, unless the event has a place of its own for it. */
function addEnvelope(node: ObjectNode, keys: readonly string[], leaf: Node): void {
  const [key, ...rest] = keys as [string, ...string[]];
  // A literal dotted key of the input is the same field.
  if (node.members.has(keys.join("."))) {
    if (rest.length > 0) return;
  }
  const there = node.members.get(key);
  if (rest.length === 0) {
    if (there === undefined) node.members.set(key, leaf);
    return;
  }
  if (there === undefined) {
    const inner: ObjectNode = { kind: "object", members: new Map() };
    node.members.set(key, inner);
    addEnvelope(inner, rest, leaf);
  } else if (there.kind === "object") addEnvelope(there, rest, leaf);
  else if (there.kind === "slot") {
    const under: ObjectNode = there.under ?? { kind: "object", members: new Map() };
    node.members.set(key, { ...there, under });
    addEnvelope(under, rest, leaf);
  } else if (there.kind === "constant") {
    const value: unknown = JSON.parse(there.json);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return;
    const inner: ObjectNode = { kind: "object", members: new Map() };
    for (const [name, part] of Object.entries(value)) {
      inner.members.set(name, { kind: "constant", json: JSON.stringify(part) });
    }
    node.members.set(key, inner);
    addEnvelope(inner, rest, leaf);
  }
}

/**
 * Writes the body of a writer. Members that are certainly there come first in an object, so that no comma depends on
 * what an event holds; constant text is gathered and written with the next value.
 */
class WriterCode {
  #code = "";
  #constant = "";
  #variables = 0;

  document(root: ObjectNode): string {
    this.#constant = '"@timestamp":"';
    this.#code = 'let v, s = "";\n';
    this.#append("time");
    this.#constant = '"';
    for (const [key, node] of sorted(root)) this.#member(JSON.stringify(key) + ":", node, undefined);
    this.#constant += "}\n";
    this.#flush();
    return this.#code + "return s;";
  }

  /**
   * One member. `open` is the variable that holds what has to be written before the first member of the object around
   * it (its name and brace); undefined when something stands there already and a comma will do.
   */
  #member(key: string, node: Node, open: string | undefined): void {
    if (isCertain(node)) {
      // An object of uncertain members has no certain one, so `open` is undefined here.
      this.#constant += ",";
      this.#certain(key, node);
    } else if (node.kind === "object") this.#uncertainObject(key, node, open);
    else if (node.kind === "slot") {
      this.#flush();
      this.#code += `v = values[${node.index}];\n`;
      if (node.under !== undefined) this.#code += `v = merge(v, ${envelopeObject(node.under)});\n`;
      const before = open === undefined ? JSON.stringify("," + key) : `${open} + ${JSON.stringify(key)}`;
      this.#code += `if (v !== undefined) { s += ${before} + quote(v);${open === undefined ? "" : ` ${open} = ",";`} }\n`;
    }
  }

  /** A member that is there whatever the event holds, without a comma. */
  #certain(key: string, node: Node): void {
    this.#constant += key;
    if (node.kind === "constant") this.#constant += node.json;
    else if (node.kind === "text") this.#append(`texts[${node.index}]`);
    else if (node.kind === "offset") this.#append("offset");
    else if (node.kind === "object") {
      this.#constant += "{";
      sorted(node).forEach(([name, child], i) => {
        if (i === 0) this.#certain(JSON.stringify(name) + ":", child);
        else this.#member(JSON.stringify(name) + ":", child, undefined);
      });
      this.#constant += "}";
    }
  }

  #uncertainObject(key: string, node: ObjectNode, open: string | undefined): void {
    this.#flush();
    const variable = `o${this.#variables++}`;
    const before = open === undefined ? JSON.stringify("," + key + "{") : `${open} + ${JSON.stringify(key + "{")}`;
    this.#code += `let ${variable} = ${before};\n`;
    for (const [name, child] of node.members) this.#member(JSON.stringify(name) + ":", child, variable);
    this.#code += `if (${variable} === ",") { s += "}";${open === undefined ? "" : ` ${open} = ",";`} }\n`;
  }

  /** Writes the constant text so far and the value of an expression. */
  #append(expression: string): void {
    this.#code += `s += ${JSON.stringify(this.#constant)} + ${expression};\n`;
    this.#constant = "";
  }

  #flush(): void {
    if (this.#constant !== "") this.#code += `s += ${JSON.stringify(this.#constant)};\n`;
    this.#constant = "";
  }
}

/** Code for a plain object of the envelope's values under a field that holds a value itself. */
function envelopeObject(node: ObjectNode): string {
  const parts = [...node.members].map(([key, child]) => {
    const name = JSON.stringify(key);
    if (child.kind === "text") return `${name}: JSON.parse(texts[${child.index}])`;
    if (child.kind === "offset") return `${name}: offset`;
    return child.kind === "object" ? `${name}: ${envelopeObject(child)}` : `${name}: undefined`;
  });
  return `{${parts.join(", ")}}`;
}

/** An object that has at least one member whatever the event holds. */
function isCertain(node: Node): boolean {
  if (node.kind === "object") return [...node.members.values()].some(isCertain);
  return node.kind !== "slot";
}

function sorted(node: ObjectNode): [string, Node][] {
  return [...node.members].sort(([, a], [, b]) => Number(isCertain(b)) - Number(isCertain(a)));
}

/** An event's own value with the envelope's fields that belong under the same name; the event's win. */
function mergeUnder(value: unknown, under: Record<string, unknown>): unknown {
  if (value === undefined) return under;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const merged: Record<string, unknown> = { ...(value as Record<string, unknown>) };
  for (const [key, part] of Object.entries(under)) {
    const own = merged[key];
    if (!Object.hasOwn(merged, key)) merged[key] = part;
    else if (typeof part === "object" && part !== null && !Array.isArray(part))
      merged[key] = mergeUnder(own, part as Record<string, unknown>);
  }
  return merged;
}
