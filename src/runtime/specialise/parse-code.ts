import type { StagePlan, TextCapture, TextCut, TextPattern, TimeReader } from "../../core/plan.ts";
import { parseIsoTime } from "../../core/time.ts";
import * as op from "../../codec/kernel/assembly/machine/opcodes.ts";
import type { Label, Later, ProgramBuilder } from "../../codec/kernel/program-builder.ts";
import { compileRegex, type RegexProgram } from "../../codec/kernel/regex-program.ts";
import { NotCompilable, settle, type Field, type Fields } from "./fields.ts";

export const CONVERSIONS = {
  integer: op.CONVERT_INTEGER,
  float: op.CONVERT_FLOAT,
  boolean: op.CONVERT_BOOLEAN,
  string: op.CONVERT_STRING,
  ip: op.CONVERT_IP,
} as const;

/** A field that captures go to. */
interface Target {
  readonly field: Field;
  readonly wasCertain: boolean;
  readonly mayHoldJson: boolean;
}

/** Emits the code of stages that take text apart. */
export class ParseCode {
  readonly times: TimeReader[] = [];
  readonly converters: ((text: string) => unknown)[] = [];
  readonly #builder: ProgramBuilder;
  readonly #fields: Fields;
  readonly #maxTimes: number;
  readonly #regexes = new Map<string, RegexProgram>();

  constructor(builder: ProgramBuilder, fields: Fields, maxTimes: number) {
    this.#builder = builder;
    this.#fields = fields;
    this.#maxTimes = maxTimes;
  }

  /** Puts regular expressions in: before all code that runs. */
  prepare(plan: StagePlan): void {
    if (plan.kind !== "parse_text") return;
    for (const { source } of plan.patterns) {
      if (typeof source !== "string") continue;
      const regex = this.#regexes.get(source) ?? compileRegex(source, this.#builder);
      if (regex === undefined) throw new NotCompilable(`a regular expression that needs JavaScript: ${source}`);
      this.#regexes.set(source, regex);
    }
  }

  /** The first of the patterns that matches gives its fields; a line that none matches is given up. */
  parseText(plan: StagePlan & { kind: "parse_text" }, stage: number, isConditional: boolean): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const { field: name, patterns, keepsOriginal, keepsField = false, drops } = plan;
    if (isConditional && fields.read(name) === undefined) {
      // The condition asks for the field too, or it would be a failure.
      builder.emit(op.GIVE_UP);
      return;
    }
    const source = fields.source(name);
    const sourceField = fields.write(name);
    const targets = this.targets(name, patterns.flatMap(capturedFields), patterns.flatMap(typedFields));
    const certain = patterns.map((pattern) => this.#certain(pattern));
    const done = builder.label();
    if (drops !== undefined) {
      const next = builder.label();
      builder.emit(op.EQUALS, source, ...builder.text(drops), 0, 0, op.JUMP_UNLESS, next, op.DROP, stage);
      builder.place(next);
    }
    for (const pattern of patterns) {
      const next = builder.label();
      this.#match(pattern.source, source, next);
      if (!keepsField) builder.emit(op.CLEAR, sourceField.slot);
      this.#captures(pattern, targets);
      builder.emit(op.JUMP, done);
      builder.place(next);
    }
    builder.emit(op.GIVE_UP);
    builder.place(done);
    if (!keepsField) sourceField.isCertain = false;
    for (const [target, { field, wasCertain, mayHoldJson }] of targets) {
      field.isCertain = wasCertain || certain.every((each) => each.has(target));
      const isText = patterns.every(({ captures }) =>
        captures.every(
          ({ field: to, take, type }) =>
            to !== target || ((take === "text" || take === "present") && (type === undefined || type === "ip")),
        ),
      );
      field.kind = isText && !mayHoldJson ? "text" : "either";
    }
    this.keepOriginal(keepsOriginal);
  }

  /** Makes the fields ready that a parser of field `source` may write; of those that are `typed` none may be there yet. */
  targets(source: string, names: readonly string[], typed: readonly string[]): ReadonlyMap<string, Target> {
    const fields = this.#fields;
    const sourceField = fields.write(source);
    const distinct = new Set(names);
    if ([...distinct].some((name) => name.startsWith(source + ".")))
      throw new NotCompilable(`${source} becomes an object`);
    const targets = new Map<string, Target>();
    for (const name of distinct) {
      const isOld = fields.has(name);
      const field = fields.write(name);
      const isSource = field === sourceField;
      // What is there already would be converted too.
      if ((isOld || fields.isOpen) && !isSource && typed.includes(name))
        throw new NotCompilable(`${name} may be there before`);
      fields.materialise(field);
      const mayHoldJson = (isOld || fields.isOpen) && field.kind !== "text" && !isSource;
      targets.set(name, { field, wasCertain: field.isCertain && !isSource, mayHoldJson });
    }
    return targets;
  }

  #match(source: string | TextCut, slot: number, next: Label): void {
    const builder = this.#builder;
    if (typeof source === "string") builder.emit(op.MATCH, this.#regexes.get(source)!.table, slot, next);
    else if (source.kind === "url") builder.emit(op.CUT_URL, slot, next);
    else {
      const { delimiter, quote, columns, beginning, without } = source;
      if (columns > MAX_COLUMNS) throw new NotCompilable("too many columns");
      builder.emit(op.CUT_SEPARATED, slot, byteOf(delimiter), byteOf(quote), columns, byteOf(beginning));
      builder.emit(byteOf(without[0]), byteOf(without[1]), next);
    }
  }

  #captures(pattern: TextPattern, targets: ReadonlyMap<string, Target>): void {
    const builder = this.#builder;
    const absent = byteOf(pattern.absent);
    for (const group of pattern.needs) builder.emit(op.NEED_GROUP, group);
    if (pattern.time !== undefined) {
      const slot = this.#fields.slot();
      const { group, through = group, reader } = pattern.time;
      if (through === group) builder.emit(op.CAPTURE, group, slot);
      else builder.emit(op.CAPTURE_SPAN, group, through, slot);
      builder.emit(op.PARSE_TIME, slot, this.time(reader));
    }
    for (const capture of pattern.captures) {
      const { slot } = targets.get(capture.field)!.field;
      this.capture(capture, slot, absent);
      const isText = capture.take === "text" || capture.take === "present";
      if (pattern.escape !== "none" && isText) {
        builder.emit(op.UNESCAPE, slot, pattern.escape === "hex" ? op.UNESCAPE_HEX : op.UNESCAPE_OTHER);
      }
      if (capture.type !== undefined) builder.emit(op.CONVERT, slot, CONVERSIONS[capture.type]);
    }
    for (const [from, to] of pattern.ips) {
      builder.emit(op.COPY_IP, targets.get(from)!.field.slot, targets.get(to)!.field.slot);
    }
  }

  /** One group into a slot; `absent` is a byte that means that there is nothing. */
  capture({ group, take }: TextCapture, slot: number, absent: number): void {
    const builder = this.#builder;
    if (take === "text") builder.emit(op.CAPTURE, group, slot);
    else if (take === "present") builder.emit(op.CAPTURE_PRESENT, group, slot, absent);
    else if (take === "integer") builder.emit(op.CAPTURE_INTEGER, group, slot, absent);
    else builder.emit(op.CAPTURE_CONVERTED, group, slot, absent, this.converters.push(take) - 1);
  }

  keepOriginal(keeps: boolean): void {
    if (!keeps) return;
    const field = this.#fields.write("event.original");
    this.#builder.emit(op.LINE, field.slot);
    settle(field, "text");
  }

  /** The members of the object in a field become fields. */
  parseJson(name: string, keepsOriginal: boolean): void {
    this.#open(name, keepsOriginal, (text, table, count) => [op.JSON_OBJECT, text, table, count]);
  }

  /** The keys of the pairs in a field become fields. */
  parsePairs(plan: StagePlan & { kind: "parse_pairs" }): void {
    const [builder, fields] = [this.#builder, this.#fields];
    for (const [key] of plan.types) {
      if (key.includes(".") || key === "@timestamp" || (fields.has(key) && key !== plan.field))
        throw new NotCompilable(`${key} is converted`);
    }
    const [first, second] = plan.quotes;
    const words = { true: op.BARE_TRUE, skip: op.BARE_SKIP, fail: op.BARE_FAIL }[plan.bareWords];
    const options = [byteOf(plan.between), byteOf(first), byteOf(second), words, plan.keepsEmpty ? 1 : 0];
    this.#open(plan.field, plan.keepsOriginal, (text, table, count) => [op.PAIRS, text, table, count, ...options]);
    for (const [key, type] of plan.types) {
      const field = fields.write(key);
      builder.emit(op.CONVERT, field.slot, CONVERSIONS[type]);
      field.kind = "either";
    }
  }

  /** The source's text gives members of which only those have slots that the program knows. */
  #open(
    name: string,
    keepsOriginal: boolean,
    read: (text: number, table: Later, count: Later) => readonly (number | Later)[],
  ): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const source = fields.source(name);
    // The object's own member of that name takes the source's place.
    const text = fields.slot();
    builder.emit(op.NEED_TEXT, source, op.COPY, source, text, op.CLEAR, source);
    const field = fields.write(name);
    field.isCertain = false;
    const { table, count } = fields.openUp();
    builder.emit(...read(text, table, count));
    const time = fields.key("@timestamp");
    const none = builder.label();
    builder.emit(op.JUMP_ABSENT, time, none);
    const iso = (value: string): number => (/^\d+$/.test(value) ? NaN : parseIsoTime(value));
    builder.emit(op.NEED_TEXT, time, op.PARSE_TIME, time, this.time({ read: iso, dependsOnClock: false }));
    builder.place(none);
    this.keepOriginal(keepsOriginal);
  }

  /** The time in a field becomes the event's own, or another field. */
  parseTime(plan: StagePlan & { kind: "parse_time" }): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const source = fields.source(plan.field);
    const cache = this.time(plan.reader);
    if (plan.target === "@timestamp") builder.emit(op.PARSE_TIME, source, cache);
    else {
      const target = fields.write(plan.target);
      builder.emit(op.PARSE_TIME_TO, source, cache, target.slot);
      settle(target, "text");
    }
    if (plan.removesField) fields.remove(plan.field);
  }

  /** The fields that a pattern gives whenever it matches. */
  #certain({ source, captures, needs }: TextPattern): ReadonlySet<string> {
    const groups = typeof source === "string" ? this.#regexes.get(source)!.certain : undefined;
    const isCertain = ({ group, take }: TextCapture): boolean =>
      take === "text" &&
      (groups === undefined
        ? typeof source !== "string" && source.kind === "separated"
        : groups.has(group) || needs.some((need) => group >= need && group < need + 3));
    return new Set(captures.filter(isCertain).map(({ field }) => field));
  }

  /** The number of a reader of times. */
  time(reader: TimeReader): number {
    if (this.times.length >= this.#maxTimes) throw new NotCompilable("too many times");
    return this.times.push(reader) - 1;
  }
}

/** The fields that a pattern may write. */
export function capturedFields(pattern: TextPattern): string[] {
  return [...pattern.captures.map(({ field }) => field), ...pattern.ips.map(([, to]) => to)];
}

function typedFields({ captures }: TextPattern): string[] {
  return captures.filter(({ type }) => type !== undefined).map(({ field }) => field);
}

function byteOf(character: string | undefined): number {
  return character === undefined || character === "" ? 0 : character.charCodeAt(0);
}

/** Groups for which there is room. */
const MAX_COLUMNS = 250;
