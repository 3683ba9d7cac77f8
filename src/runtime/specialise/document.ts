import * as op from "../../codec/kernel/assembly/machine/opcodes.ts";
import type { ProgramBuilder } from "../../codec/kernel/program-builder.ts";
import { NotCompilable, type Field, type Fields } from "./fields.ts";

/** Names of what the partition gives to every event. */
export interface EnvelopeNames {
  readonly paths: readonly (readonly string[])[];
  readonly offset: readonly string[] | undefined;
  /** Index of a path that no event has any more behind the first stage. */
  readonly without?: number | undefined;
}

/** Constant text with values of the envelope in it, by their index. */
export type VariableText = readonly (string | { readonly envelope: number })[];

type Leaf =
  | { readonly kind: "field"; readonly field: Field }
  | { readonly kind: "envelope"; readonly index: number }
  | { readonly kind: "offset" };
type Node = Leaf | ObjectNode;
interface ObjectNode {
  readonly kind: "object";
  readonly members: Map<string, Node>;
}

/**
 * Emits the code that writes an event's document behind its head: what codec/document.ts writes, its members in another
 * order. Every member is written with a comma behind it; the closing brace takes the last one's place.
 */
export class DocumentCode {
  /** Constants that depend on the partition, and the longest there can be of the others, in bytes. */
  readonly variables: VariableText[] = [];
  constantBytes = 64;
  readonly #builder: ProgramBuilder;
  readonly #fields: Fields;
  /** Constant text that is not emitted yet. */
  #pending: (string | { readonly envelope: number })[] = [];
  /** Number of the first variable that is the program's own. */
  readonly #firstVariable: number;
  #marks = 0;

  constructor(builder: ProgramBuilder, fields: Fields, firstVariable: number) {
    this.#builder = builder;
    this.#fields = fields;
    this.#firstVariable = firstVariable;
  }

  write(envelope: EnvelopeNames): void {
    const root: ObjectNode = { kind: "object", members: new Map() };
    for (const field of this.#fields.all()) put(root, field.parts, { kind: "field", field });
    envelope.paths.forEach((parts, index) => {
      if (index !== envelope.without) put(root, parts, { kind: "envelope", index });
    });
    if (envelope.offset !== undefined) put(root, envelope.offset, { kind: "offset" });
    this.#text('"@timestamp":"');
    this.#flush();
    this.#builder.emit(op.PUT_TIME);
    this.#text('",');
    const tops = new Set(
      [...envelope.paths, ...(envelope.offset === undefined ? [] : [envelope.offset])].map(([top]) => top),
    );
    for (const [key, node] of sorted(root)) {
      const cover = node.kind === "object" && tops.has(key) ? this.#fields.cover(key) : undefined;
      if (cover === undefined) this.#member(key, node);
      else this.#covered(key, node, cover);
    }
    this.#trim();
    this.#text("}\n");
    this.#flush();
    this.#builder.emit(op.END);
  }

  /** A member of the envelope, unless the event's JSON has one of that name itself. */
  #covered(key: string, node: Node, slot: number): void {
    const builder = this.#builder;
    const [own, done] = [builder.label(), builder.label()];
    this.#flush();
    builder.emit(op.JUMP_PRESENT, slot, own);
    this.#member(key, node);
    this.#flush();
    builder.emit(op.JUMP, done);
    builder.place(own);
    builder.emit(op.REFUSE_OBJECT, slot);
    this.#text(JSON.stringify(key) + ":");
    this.#flush();
    builder.emit(op.PUT_VALUE, slot);
    this.#text(",");
    this.#flush();
    builder.place(done);
  }

  #member(key: string, node: Node): void {
    const name = JSON.stringify(key) + ":";
    if (node.kind === "envelope") {
      this.#text(name);
      this.#pending.push({ envelope: node.index });
      this.#text(",");
    } else if (node.kind === "offset") {
      this.#text(name);
      this.#flush();
      this.#builder.emit(op.PUT_OFFSET);
      this.#text(",");
    } else if (node.kind === "field") this.#field(name, node.field);
    else if (isCertain(node)) {
      this.#text(name + "{");
      for (const [inner, child] of sorted(node)) this.#member(inner, child);
      this.#trim();
      this.#text("},");
    } else {
      const mark = this.#marks++;
      if (mark >= MAX_MARKS) throw new NotCompilable("too many objects");
      this.#flush();
      this.#builder.emit(op.MARK, mark);
      this.#text(name + "{");
      for (const [inner, child] of node.members) this.#member(inner, child);
      this.#flush();
      this.#builder.emit(op.CLOSE, mark);
    }
  }

  #field(name: string, field: Field): void {
    const builder = this.#builder;
    if (field.constant !== undefined) {
      this.#text(name + field.constant + ",");
      return;
    }
    const skip = builder.label();
    if (!field.isCertain) {
      this.#flush();
      builder.emit(op.JUMP_ABSENT, field.slot, skip);
    }
    const quote = field.kind === "text" ? '"' : "";
    this.#text(name + quote);
    this.#flush();
    builder.emit(field.kind === "text" ? op.PUT_TEXT : op.PUT_VALUE, field.slot);
    this.#text(quote + ",");
    if (field.isCertain) return;
    this.#flush();
    builder.place(skip);
  }

  #text(text: string): void {
    const last = this.#pending.at(-1);
    if (typeof last === "string") this.#pending[this.#pending.length - 1] = last + text;
    else this.#pending.push(text);
  }

  /** Takes the last comma back. */
  #trim(): void {
    const last = this.#pending.at(-1);
    if (typeof last === "string" && last.endsWith(",")) this.#pending[this.#pending.length - 1] = last.slice(0, -1);
    else {
      this.#flush();
      this.#builder.emit(op.BACK);
    }
  }

  #flush(): void {
    const parts = this.#pending;
    this.#pending = [];
    if (parts.length === 0) return;
    if (parts.every((part) => typeof part === "string")) {
      const [address, length] = this.#builder.text(parts.join(""));
      this.constantBytes += length;
      this.#builder.emit(op.PUT, address, length);
    } else {
      this.#builder.emit(op.PUT_VARIABLE, this.#firstVariable + this.variables.push(parts) - 1);
    }
  }
}

const MAX_MARKS = 64;

function put(node: ObjectNode, parts: readonly string[], leaf: Leaf): void {
  const [key, ...rest] = parts as [string, ...string[]];
  const there = node.members.get(key);
  if (rest.length === 0) {
    if (there !== undefined) throw new NotCompilable(`${key} is written twice`);
    node.members.set(key, leaf);
    return;
  }
  if (there !== undefined && there.kind !== "object") throw new NotCompilable(`${key} is a value and an object`);
  const inner: ObjectNode = there ?? { kind: "object", members: new Map() };
  node.members.set(key, inner);
  put(inner, rest, leaf);
}

/** It is in every document. */
function isCertain(node: Node): boolean {
  if (node.kind === "object") return [...node.members.values()].some(isCertain);
  return node.kind !== "field" || node.field.isCertain || node.field.constant !== undefined;
}

/** What is certain last: then no comma depends on what an event holds. */
function sorted(node: ObjectNode): [string, Node][] {
  return [...node.members].sort(([, a], [, b]) => Number(isCertain(a)) - Number(isCertain(b)));
}
