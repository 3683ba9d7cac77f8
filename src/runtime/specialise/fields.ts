import * as op from "../../codec/kernel/assembly/machine/opcodes.ts";
import type { Later, ProgramBuilder } from "../../codec/kernel/program-builder.ts";

/** Thrown where a pipeline has something that a program cannot do: the message says what. */
export class NotCompilable extends Error {}

/** A field that an event has, or may have, at one place of the program. */
export interface Field {
  readonly name: string;
  readonly parts: readonly string[];
  readonly slot: number;
  /** Every event has it. */
  isCertain: boolean;
  /** What the slot holds when it holds something. */
  kind: "text" | "json" | "either";
  /** Its JSON, when it is the same for every event. The slot is empty then. */
  constant: string | undefined;
}

/**
 * The fields of a pipeline's events, followed through its stages when it is compiled.
 *
 * After `openUp` events may have other top-level fields as well: members of a JSON object, which are written to the
 * document as they are. Of those the program must know by name all that a stage asks for, changes, or puts something
 * beside; they get a slot when they are first named, and the JSON reader fills it.
 */
export class Fields {
  readonly #builder: ProgramBuilder;
  readonly #maxSlots: number;
  readonly #envelope: readonly string[];
  readonly #byName = new Map<string, Field>();
  /** Top-level names of JSON members that the program knows, with their slots; -1: a line that has one is given up. */
  readonly #keys = new Map<string, number>();
  #slots = 0;
  #isOpen = false;

  /** `envelope`: names of the fields that the partition gives. */
  constructor(builder: ProgramBuilder, maxSlots: number, envelope: readonly string[]) {
    this.#builder = builder;
    this.#maxSlots = maxSlots;
    this.#envelope = envelope;
  }

  get slots(): number {
    return this.#slots;
  }
  get isOpen(): boolean {
    return this.#isOpen;
  }
  all(): readonly Field[] {
    return [...this.#byName.values()];
  }
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  slot(): number {
    if (this.#slots >= this.#maxSlots) throw new NotCompilable("too many fields");
    return this.#slots++;
  }

  /**
   * The slot that holds a field's value, filled by code that is emitted here where that is necessary; undefined when no
   * event has the field.
   */
  read(name: string): number | undefined {
    const field = this.#find(name);
    if (field !== undefined) {
      if (field === null) return undefined;
      if (field.constant === undefined) return field.slot;
      // A slot of its own: this code may be jumped over.
      const slot = this.slot();
      this.#builder.emit(op.CONSTANT, slot, ...this.#builder.text(field.constant));
      return slot;
    }
    const [root = "", ...rest] = name.split(".");
    const owner = this.#byName.get(root);
    const source = owner?.slot ?? this.#member(root);
    if (owner?.constant !== undefined) throw new NotCompilable(`${name} is inside a constant`);
    if (rest.length === 0) return source;
    this.#forbidDotted(name);
    let from = source;
    for (const part of rest) {
      const to = this.slot();
      this.#builder.emit(op.MEMBER, from, ...this.#builder.text(part), to);
      from = to;
    }
    return from;
  }

  /** The same for a field that an event has to have: throws where none can have it. */
  source(name: string): number {
    const slot = this.read(name);
    if (slot === undefined) throw new NotCompilable(`no event has ${name}`);
    return slot;
  }

  /** The field itself, to be changed; made when it is not there. Constants are left for the caller to replace. */
  write(name: string): Field {
    const field = this.#find(name);
    if (field !== undefined && field !== null) return field;
    if (name === "@timestamp") throw new NotCompilable("@timestamp is set");
    const parts = name.split(".");
    if (this.#isOpen) {
      if (parts.length === 1) return this.#byName.get(name) ?? this.#root(name);
      this.#guard(parts[0]!);
      this.#forbidDotted(name);
    }
    const made: Field = { name, parts, slot: this.slot(), isCertain: false, kind: "text", constant: undefined };
    this.#byName.set(name, made);
    return made;
  }

  /** Puts a constant into its slot, where the next write may or may not come. */
  materialise(field: Field): void {
    if (field.constant === undefined) return;
    this.#builder.emit(op.CONSTANT, field.slot, ...this.#builder.text(field.constant));
    field.constant = undefined;
    field.kind = "json";
  }

  /** Empties a field, perhaps an object with all that it holds. */
  remove(name: string): void {
    if (name === "@timestamp") throw new NotCompilable("@timestamp is removed");
    const below = this.all().filter((field) => field.name === name || field.name.startsWith(name + "."));
    if (this.#envelope.some((each) => each === name || each.startsWith(name + "."))) {
      throw new NotCompilable(`${name} has fields of the source in it`);
    }
    if (this.#isOpen && below.length === 0) {
      if (name.includes(".")) throw new NotCompilable(`${name} is removed from inside a JSON value`);
      this.clear(this.#root(name));
      return;
    }
    if (this.all().some((field) => name.startsWith(field.name + "."))) {
      throw new NotCompilable(`${name} is removed from inside ${name.split(".")[0]!}`);
    }
    if (this.#isOpen && below.some((field) => field.name !== name)) {
      throw new NotCompilable(`${name} is an object and removed`);
    }
    below.forEach((field) => this.clear(field));
  }

  /** Empties all fields but these and what they hold. */
  keep(names: readonly string[]): void {
    if (this.#isOpen) throw new NotCompilable("unknown members of a JSON object are removed");
    for (const field of this.all()) {
      if (names.some((name) => field.name === name || field.name.startsWith(name + "."))) continue;
      if (names.some((name) => name.startsWith(field.name + ".")))
        throw new NotCompilable(`only a part of ${field.name} is kept`);
      this.clear(field);
    }
  }

  clear(field: Field): void {
    this.#builder.emit(op.CLEAR, field.slot);
    field.constant = undefined;
    field.isCertain = false;
  }

  /** From now on events have the members of a JSON object too. Returns the table of known keys, filled in at the end. */
  openUp(): { readonly table: Later; readonly count: Later } {
    if (this.#isOpen) throw new NotCompilable("there are two JSON objects");
    this.#isOpen = true;
    for (const field of this.all()) {
      if (field.parts.length > 1) {
        this.#guard(field.parts[0]!);
        this.#forbidDotted(field.name);
        continue;
      }
      this.materialise(field);
      field.kind = "either";
      this.#keys.set(field.name, field.slot);
    }
    for (const name of this.#envelope) this.#forbidDotted(name);
    return { table: this.#table, count: this.#count };
  }
  readonly #table: Later = { value: undefined };
  readonly #count: Later = { value: undefined };

  /** The slot of a top-level JSON member under which the envelope has fields, or undefined where there can be none. */
  cover(root: string): number | undefined {
    if (!this.#isOpen) return undefined;
    const known = this.#keys.get(root);
    if (known === -1) return undefined;
    return known ?? this.#member(root);
  }

  /** A slot for a JSON member that is no field of the event. */
  key(name: string): number {
    const slot = this.slot();
    this.#keys.set(name, slot);
    return slot;
  }

  /** A table of keys of its own, filled in at the end. */
  keyTable(keys: readonly (readonly [key: string, slot: number])[]): { readonly table: Later; readonly count: number } {
    const table: Later = { value: undefined };
    this.#tables.push({ table, keys });
    return { table, count: keys.length };
  }
  readonly #tables: { readonly table: Later; readonly keys: Iterable<readonly [key: string, slot: number]> }[] = [];

  /** Writes the tables of known keys. `hash` is the machine's own. */
  finish(hash: (key: Buffer) => number): void {
    for (const { table, keys } of [...this.#tables, { table: this.#table, keys: this.#keys }]) {
      const words: number[] = [];
      for (const [key, slot] of keys) words.push(...this.#builder.text(key), hash(Buffer.from(key)) | 0, slot);
      table.value = this.#builder.words(words);
    }
    this.#count.value = this.#keys.size;
  }

  /** What happens to the fields in code that only some events run through. */
  conditionally(names: readonly string[], body: () => void): void {
    for (const name of names) {
      const field = this.#byName.get(name);
      if (field !== undefined) this.materialise(field);
    }
    const before = new Map(this.all().map((field) => [field, { certain: field.isCertain, kind: field.kind }]));
    body();
    for (const field of this.all()) {
      const was = before.get(field);
      field.isCertain &&= was?.certain === true;
      // What became a field here may be a member of the JSON object in events that do not come through here.
      if (was === undefined ? this.#isOpen : was.kind !== field.kind) field.kind = "either";
    }
  }

  /** A field by its name; null when no event has it; undefined when it may be found among JSON members. */
  #find(name: string): Field | null | undefined {
    if (name === "@timestamp") throw new NotCompilable("@timestamp is used as text");
    const field = this.#byName.get(name);
    if (field !== undefined) return field;
    if (this.#envelope.some((each) => overlaps(each, name)))
      throw new NotCompilable(`${name} is a field of the source`);
    for (const other of this.#byName.values()) {
      if (!overlaps(other.name, name)) continue;
      if (this.#isOpen && this.#keys.get(other.name) === other.slot && name.startsWith(other.name + "."))
        return undefined;
      throw new NotCompilable(`${name} overlaps ${other.name}`);
    }
    if (!this.#isOpen) return null;
    // Lines with a member of that name are given up.
    return this.#keys.get(name.split(".")[0]!) === -1 ? null : undefined;
  }

  #root(name: string): Field {
    if (this.#keys.get(name) === -1) throw new NotCompilable(`${name} is an object and a field`);
    const slot = this.#keys.get(name) ?? this.key(name);
    const field: Field = { name, parts: [name], slot, isCertain: false, kind: "json", constant: undefined };
    this.#byName.set(name, field);
    return field;
  }

  #member(root: string): number {
    return (this.#byName.get(root) ?? this.#root(root)).slot;
  }

  /** The program itself writes an object of that name. */
  #guard(root: string): void {
    const known = this.#keys.get(root);
    if (known !== undefined && known !== -1) throw new NotCompilable(`${root} is a JSON member and an object`);
    this.#keys.set(root, -1);
  }

  /** A JSON key with dots means the same field. */
  #forbidDotted(name: string): void {
    const parts = name.split(".");
    for (let end = 2; end <= parts.length; end++) this.#keys.set(parts.slice(0, end).join("."), -1);
  }
}

function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(b + ".") || b.startsWith(a + ".");
}

/** Every event has the field from here on, and its slot holds that. */
export function settle(field: Field, kind: Field["kind"]): void {
  field.constant = undefined;
  field.isCertain = true;
  field.kind = kind;
}
