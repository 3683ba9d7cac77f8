import type { StagePlan, TextCapture, TextPattern, TimeReader } from "../../core/plan.ts";
import { parseIsoTime } from "../../core/time.ts";
import * as op from "../../codec/kernel/assembly/machine/opcodes.ts";
import type { ProgramBuilder } from "../../codec/kernel/program-builder.ts";
import { compileRegex, type RegexProgram } from "../../codec/kernel/regex-program.ts";
import { NotCompilable, settle, type Field, type Fields } from "./fields.ts";

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
      const regex = this.#regexes.get(source) ?? compileRegex(source, this.#builder);
      if (regex === undefined) throw new NotCompilable(`a regular expression that needs JavaScript: ${source}`);
      this.#regexes.set(source, regex);
    }
  }

  /** The first of the patterns that matches gives its fields; a line that none matches is given up. */
  parseText(name: string, patterns: readonly TextPattern[], keepsOriginal: boolean): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const source = fields.source(name);
    const sourceField = fields.write(name);
    const names = new Set(patterns.flatMap((pattern) => capturedFields(pattern)));
    if ([...names].some((field) => field.startsWith(name + "."))) throw new NotCompilable(`${name} becomes an object`);
    const targets = new Map<
      string,
      { readonly field: Field; readonly wasCertain: boolean; readonly mayHoldJson: boolean }
    >();
    for (const target of names) {
      const isOld = fields.has(target);
      const field = fields.write(target);
      fields.materialise(field);
      const isSource = field === sourceField;
      const mayHoldJson = (isOld || fields.isOpen) && field.kind !== "text" && !isSource;
      targets.set(target, { field, wasCertain: field.isCertain && !isSource, mayHoldJson });
    }
    const certain = patterns.map((pattern) => certainFields(pattern, this.#regexes.get(pattern.source)!.certain));
    const done = builder.label();
    for (const pattern of patterns) {
      const next = builder.label();
      builder.emit(op.MATCH, this.#regexes.get(pattern.source)!.table, source, next);
      builder.emit(op.CLEAR, sourceField.slot);
      this.#captures(pattern, targets);
      builder.emit(op.JUMP, done);
      builder.place(next);
    }
    builder.emit(op.GIVE_UP);
    builder.place(done);
    sourceField.isCertain = false;
    for (const [target, { field, wasCertain, mayHoldJson }] of targets) {
      field.isCertain = wasCertain || certain.every((each) => each.has(target));
      const isText = patterns.every(({ captures }) =>
        captures.every((capture) => capture.field !== target || capture.take === "text" || capture.take === "present"),
      );
      field.kind = isText && !mayHoldJson ? "text" : "either";
    }
    this.#keepOriginal(keepsOriginal);
  }

  #captures(pattern: TextPattern, targets: ReadonlyMap<string, { readonly field: Field }>): void {
    const builder = this.#builder;
    const absent = pattern.absent === "" ? 0 : pattern.absent.charCodeAt(0);
    for (const group of pattern.needs) builder.emit(op.NEED_GROUP, group);
    if (pattern.time !== undefined) {
      const slot = this.#fields.slot();
      builder.emit(op.CAPTURE, pattern.time.group, slot, op.PARSE_TIME, slot, this.#time(pattern.time.reader));
    }
    for (const capture of pattern.captures) {
      const { slot } = targets.get(capture.field)!.field;
      this.#capture(capture, slot, absent);
      const isText = capture.take === "text" || capture.take === "present";
      if (pattern.escape !== "none" && isText) {
        builder.emit(op.UNESCAPE, slot, pattern.escape === "hex" ? op.UNESCAPE_HEX : op.UNESCAPE_OTHER);
      }
    }
    for (const [from, to] of pattern.ips) {
      builder.emit(op.COPY_IP, targets.get(from)!.field.slot, targets.get(to)!.field.slot);
    }
  }

  #capture({ group, take }: TextCapture, slot: number, absent: number): void {
    const builder = this.#builder;
    if (take === "text") builder.emit(op.CAPTURE, group, slot);
    else if (take === "present") builder.emit(op.CAPTURE_PRESENT, group, slot, absent);
    else if (take === "integer") builder.emit(op.CAPTURE_INTEGER, group, slot, absent);
    else builder.emit(op.CAPTURE_CONVERTED, group, slot, absent, this.converters.push(take) - 1);
  }

  #keepOriginal(keeps: boolean): void {
    if (!keeps) return;
    const field = this.#fields.write("event.original");
    this.#builder.emit(op.LINE, field.slot);
    settle(field, "text");
  }

  /** The members of the object in a field become fields. */
  parseJson(name: string, keepsOriginal: boolean): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const source = fields.source(name);
    // The object's own member of that name takes the source's place.
    const text = fields.slot();
    builder.emit(op.NEED_TEXT, source, op.COPY, source, text, op.CLEAR, source);
    const field = fields.write(name);
    field.isCertain = false;
    const { table, count } = fields.openUp();
    builder.emit(op.JSON_OBJECT, text, table, count);
    const time = fields.key("@timestamp");
    const none = builder.label();
    builder.emit(op.JUMP_ABSENT, time, none);
    const read = (value: string): number => (/^\d+$/.test(value) ? NaN : parseIsoTime(value));
    builder.emit(op.NEED_TEXT, time, op.PARSE_TIME, time, this.#time({ read, dependsOnClock: false }));
    builder.place(none);
    this.#keepOriginal(keepsOriginal);
  }

  /** The time in a field becomes the event's own, or another field. */
  parseTime(plan: StagePlan & { kind: "parse_time" }): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const source = fields.source(plan.field);
    const cache = this.#time(plan.reader);
    if (plan.target === "@timestamp") builder.emit(op.PARSE_TIME, source, cache);
    else {
      const target = fields.write(plan.target);
      builder.emit(op.PARSE_TIME_TO, source, cache, target.slot);
      settle(target, "text");
    }
    if (plan.removesField) fields.remove(plan.field);
  }

  #time(reader: TimeReader): number {
    if (this.times.length >= this.#maxTimes) throw new NotCompilable("too many times");
    return this.times.push(reader) - 1;
  }
}

/** The fields that a pattern may write. */
export function capturedFields(pattern: TextPattern): string[] {
  return [...pattern.captures.map(({ field }) => field), ...pattern.ips.map(([, to]) => to)];
}

function certainFields(pattern: TextPattern, groups: ReadonlySet<number>): Set<string> {
  const isCertain = ({ group, take }: TextCapture): boolean =>
    take === "text" && (groups.has(group) || pattern.needs.some((need) => group >= need && group < need + 3));
  return new Set(pattern.captures.filter(isCertain).map(({ field }) => field));
}
