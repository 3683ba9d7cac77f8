import type { Envelope, LogEvent } from "../core/event.ts";
import { Layout, type LayoutTree } from "../core/layout.ts";
import { formatIsoTime } from "../core/time.ts";

/**
 * Events as JSON documents. For each layout and set of envelope fields a function is made once that joins constant
 * text and values, so that `JSON.stringify` is only called for values that are not plain (nested objects, strings with
 * characters to escape). It writes exactly what `JSON.stringify(event.toObject())` means; members may come in another
 * order.
 *
 * The result is `head` and then the document's *members*: without the opening brace, with `}` and a newline at the
 * end, because encodings put different text in front (see Encoding in core/batch.ts). `offsetText` is the event's
 * offset as text. The fewer pieces a document is joined from the cheaper it is: bench/micro/encode.ts.
 */
export function documentMembers(event: LogEvent, head = "", offsetText = "" + event.offset): string {
  const { envelope, layout } = event;
  if (layout === Layout.generic) return head + JSON.stringify(event.toObject()).slice(1) + "\n";
  if (layout !== lastLayout || envelope !== lastEnvelope) prepare(layout, envelope);
  return lastWriter(event.values, head, formatIsoTime(event.timeMs), offsetText, lastConstants, NEEDS_ESCAPE, quote);
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
  prepare(Layout.message, envelope);
  // The writer puts what is constant first, the offset too; here the message comes first, so that one piece of text
  // lies between the two. A raw control character can stand nowhere else: every other text in there is JSON.
  const values = [LINE_MARK];
  const text = lastWriter(values, "", formatIsoTime(timeMs), "\u0002", lastConstants, NEEDS_ESCAPE, quote);
  const time = `"@timestamp":"${formatIsoTime(timeMs)}"`;
  const rest = text.slice(time.length).replace(`${MESSAGE_MEMBER}"${LINE_MARK}"`, "");
  const [middle = "", tail] = rest.split("\u0002");
  return { head: time + MESSAGE_MEMBER, middle, tail: tail ?? "", hasOffset: tail !== undefined };
}

const MESSAGE_MEMBER = ',"message":';
const LINE_MARK = "wiretail:line";

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
  head: string,
  time: string,
  offset: string,
  constants: readonly string[],
  needsEscape: RegExp,
  quote: (value: unknown) => string,
) => string;

/** A writer, and its constants: text with the indexes of envelope values in between, to be filled in once. */
interface Writer {
  readonly write: MembersWriter;
  readonly constants: readonly (readonly (string | number)[])[];
}

/** Which names an envelope has; envelopes with the same names share one shape. */
interface EnvelopeShape {
  readonly paths: readonly (readonly string[])[];
  readonly offset: readonly string[] | undefined;
}
interface PreparedEnvelope {
  readonly shape: EnvelopeShape;
  /** The values as JSON. */
  readonly texts: readonly string[];
  /** Constants of writers with the texts filled in. */
  readonly constants: Map<Writer, readonly string[]>;
}

const shapes = new Map<string, EnvelopeShape>();
const preparedEnvelopes = new WeakMap<Envelope, PreparedEnvelope>();
// The last answer of `prepare`: events of one batch nearly always have the same layout.
let lastEnvelope: Envelope | undefined;
let lastLayout: Layout | undefined;
let lastWriter: MembersWriter = () => "";
let lastConstants: readonly string[] = [];

function prepare(layout: Layout, envelope: Envelope): void {
  const prepared = prepareEnvelope(envelope);
  const writer = (layout.prepared.get(prepared.shape) as Writer | undefined) ?? makeWriter(layout, prepared.shape);
  let constants = prepared.constants.get(writer);
  if (constants === undefined) {
    const { texts } = prepared;
    constants = writer.constants.map((parts) =>
      compact(parts.map((part) => (typeof part === "number" ? texts[part]! : part)).join("")),
    );
    prepared.constants.set(writer, constants);
  }
  lastLayout = layout;
  lastEnvelope = envelope;
  lastWriter = writer.write;
  lastConstants = constants;
}

/**
 * The same text in V8's one-byte form if it can have that. A piece of a configuration file that has a character beyond
 * Latin-1 anywhere has two bytes a character itself, and would make every document that it goes into so: twice as
 * dear to join and three times to write as UTF-8 (bench/micro/encode.ts).
 */
export function compact(text: string): string {
  return Buffer.from(text).toString();
}

function prepareEnvelope(envelope: Envelope): PreparedEnvelope {
  let prepared = preparedEnvelopes.get(envelope);
  if (prepared === undefined) {
    const paths = envelope.paths.map((path) => path.parts);
    const offset = envelope.offsetPath?.parts;
    const key = JSON.stringify([paths, offset]);
    let shape = shapes.get(key);
    if (shape === undefined) shapes.set(key, (shape = { paths, offset }));
    prepared = { shape, texts: envelope.values.map((value) => JSON.stringify(value)), constants: new Map() };
    preparedEnvelopes.set(envelope, prepared);
  }
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

function makeWriter(layout: Layout, shape: EnvelopeShape): Writer {
  const root: ObjectNode = { kind: "object", members: new Map() };
  addTree(root, layout, layout.tree);
  shape.paths.forEach((keys, index) => addEnvelope(root, keys, { kind: "text", index }));
  if (shape.offset !== undefined) addEnvelope(root, shape.offset, { kind: "offset" });
  const code = new WriterCode();
  const body = code.document(root);
  // The source holds only JSON.stringify's text, slot numbers and our own words.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const make = new Function(
    "merge",
    `"use strict"; return function (values, head, time, offset, constants, needsEscape, quote) {${body}}`,
  ) as (merge: typeof mergeUnder) => MembersWriter;
  const writer: Writer = { write: make(mergeUnder), constants: code.constants };
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

/** An object of which nothing is certain: whether it was opened is known only when an event is written. */
interface OpenObject {
  /** Holds whether the object was opened. */
  readonly variable: string;
  /** Its name, colon and brace. */
  readonly opening: string;
}

/**
 * Writes the body of a writer. Members that are certainly there come first in an object, so that no comma depends on
 * what an event holds; constant text and texts of the envelope are gathered into one constant each.
 */
class WriterCode {
  readonly constants: (string | number)[][] = [];
  #code = "";
  #constant: (string | number)[] = [];
  #variables = 0;

  document(root: ObjectNode): string {
    this.#constant.push('"@timestamp":"');
    this.#code = `let v, s = head + ${this.#takeConstant()} + time;\n`;
    this.#constant.push('"');
    for (const [key, node] of sorted(root)) this.#member(JSON.stringify(key) + ":", node, []);
    this.#constant.push("}\n");
    return this.#code + `return s + ${this.#takeConstant()};`;
  }

  /** One member. `around` are the objects around it that may not be open yet; where there are none, a comma will do. */
  #member(key: string, node: Node, around: readonly OpenObject[]): void {
    if (isCertain(node)) {
      // An object of uncertain members has no certain one, so nothing is around this one.
      this.#constant.push(",");
      this.#certain(key, node);
    } else if (node.kind === "object") this.#uncertainObject(key, node, around);
    else if (node.kind === "slot") this.#value(key, node, around);
  }

  /** A member that is there whatever the event holds, without a comma. */
  #certain(key: string, node: Node): void {
    this.#constant.push(key);
    if (node.kind === "constant") this.#constant.push(node.json);
    else if (node.kind === "text") this.#constant.push(node.index);
    else if (node.kind === "offset") this.#code += `s += ${this.#takeConstant()} + offset;\n`;
    else if (node.kind === "object") {
      this.#constant.push("{");
      sorted(node).forEach(([name, child], i) => {
        if (i === 0) this.#certain(JSON.stringify(name) + ":", child);
        else this.#member(JSON.stringify(name) + ":", child, []);
      });
      this.#constant.push("}");
    }
  }

  #uncertainObject(key: string, node: ObjectNode, around: readonly OpenObject[]): void {
    this.#flush();
    const variable = `o${this.#variables++}`;
    this.#code += `let ${variable} = false;\n`;
    const inside = [...around, { variable, opening: key + "{" }];
    for (const [name, child] of node.members) this.#member(JSON.stringify(name) + ":", child, inside);
    this.#code += `if (${variable}) s += "}";\n`;
  }

  #value(key: string, node: Node & { kind: "slot" }, around: readonly OpenObject[]): void {
    this.#flush();
    const opened = around.map(({ variable }) => `${variable} = `).join("");
    this.#code += `v = values[${node.index}];\n`;
    if (node.under !== undefined) this.#code += `v = merge(v, ${this.#envelopeObject(node.under)});\n`;
    this.#code += `if (typeof v === "string" && !needsEscape.test(v)) { s += ${before(around, key + '"')} + v + '"'; `;
    this.#code += opened === "" ? "}\n" : `${opened}true; }\n`;
    this.#code += `else if (v !== undefined) { s += ${before(around, key)} + quote(v); `;
    this.#code += opened === "" ? "}\n" : `${opened}true; }\n`;
  }

  /** Code for a plain object of the envelope's values under a field that holds a value itself. */
  #envelopeObject(node: ObjectNode): string {
    const parts = [...node.members].map(([key, child]) => {
      const name = JSON.stringify(key);
      if (child.kind === "text") return `${name}: JSON.parse(constants[${this.constants.push([child.index]) - 1}])`;
      if (child.kind === "offset") return `${name}: +offset`;
      return child.kind === "object" ? `${name}: ${this.#envelopeObject(child)}` : `${name}: undefined`;
    });
    return `{${parts.join(", ")}}`;
  }

  #flush(): void {
    if (this.#constant.length > 0) this.#code += `s += ${this.#takeConstant()};\n`;
  }

  /** The constant gathered so far, as an expression. */
  #takeConstant(): string {
    const parts = this.#constant;
    this.#constant = [];
    if (parts.every((part) => typeof part === "string")) return JSON.stringify(parts.join(""));
    return `constants[${this.constants.push(parts) - 1}]`;
  }
}

/** What to write before a member, as an expression: a comma, and the openings of the objects that are not open yet. */
function before(around: readonly OpenObject[], key: string): string {
  let expression = JSON.stringify("," + around.map(({ opening }) => opening).join("") + key);
  for (let depth = 0; depth < around.length; depth++) {
    const openings = around.slice(depth + 1).map(({ opening }) => opening);
    expression = `(${around[depth]!.variable} ? ${JSON.stringify("," + openings.join("") + key)} : ${expression})`;
  }
  return expression;
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
