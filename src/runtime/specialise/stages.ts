import type { SetValue, StagePlan, TextCapture, TextPattern, TimeReader } from "../../core/plan.ts";
import { parseIsoTime } from "../../core/time.ts";
import * as op from "../../codec/kernel/assembly/machine/opcodes.ts";
import type { ProgramBuilder } from "../../codec/kernel/program-builder.ts";
import { compileRegex, type RegexProgram } from "../../codec/kernel/regex-program.ts";
import { parseKql } from "../../codec/kql/parse.ts";
import { compileCondition } from "./condition.ts";
import { NotCompilable, type Field, type Fields } from "./fields.ts";

const CONVERSIONS = {
  integer: op.CONVERT_INTEGER,
  float: op.CONVERT_FLOAT,
  boolean: op.CONVERT_BOOLEAN,
  string: op.CONVERT_STRING,
  ip: op.CONVERT_IP,
} as const;

/** Emits the code of stages, one after the other. */
export class StageCode {
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

  /** `index` is the stage's place in the pipeline; `when` is KQL. Throws NotCompilable. */
  add(plan: StagePlan, index: number, when: string | undefined): void {
    if (when === undefined) {
      this.#stage(plan, index, false);
      return;
    }
    if (plan.kind === "parse_json") throw new NotCompilable("parse_json under a condition");
    const builder = this.#builder;
    const end = builder.label();
    // Before the jump: whatever is made sure here has to hold behind it too.
    const changed = plan.kind === "keep" ? this.#fields.all().map(({ name }) => name) : changedFields(plan);
    this.#fields.conditionally(changed, () => {
      compileCondition(parseKql(when), builder, this.#fields);
      builder.emit(op.JUMP_UNLESS, end);
      this.#stage(plan, index, true);
    });
    builder.place(end);
  }

  #stage(plan: StagePlan, index: number, isConditional: boolean): void {
    switch (plan.kind) {
      case "parse_text":
        return this.#parseText(plan.field, plan.patterns, plan.keepsOriginal);
      case "parse_json":
        return this.#parseJson(plan.field, plan.keepsOriginal);
      case "parse_time":
        return this.#parseTime(plan);
      case "set":
        return this.#set(plan.fields, plan.overwrites, isConditional);
      case "rename":
        return this.#rename(plan.moves, plan.needsAll);
      case "copy":
        return this.#copy(plan.moves, plan.needsAll, plan.overwrites);
      case "remove":
        return plan.fields.forEach((name) => this.#fields.remove(name));
      case "keep":
        return this.#fields.keep(plan.fields);
      case "replace":
        return this.#replace(plan.fields, plan.json);
      case "convert":
        return this.#convert(plan.fields);
      case "filter": {
        compileCondition(parseKql(plan.query), this.#builder, this.#fields);
        const next = this.#builder.label();
        this.#builder.emit(plan.keeps ? op.JUMP_IF : op.JUMP_UNLESS, next);
        this.#builder.emit(op.DROP, index);
        this.#builder.place(next);
      }
    }
  }

  #source(name: string): number {
    const slot = this.#fields.read(name);
    if (slot === undefined) throw new NotCompilable(`no event has ${name}`);
    return slot;
  }

  #parseText(name: string, patterns: readonly TextPattern[], keepsOriginal: boolean): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const source = this.#source(name);
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
    this.#settle(field, "text");
  }

  #parseJson(name: string, keepsOriginal: boolean): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const source = this.#source(name);
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

  #parseTime(plan: StagePlan & { kind: "parse_time" }): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const source = this.#source(plan.field);
    const cache = this.#time(plan.reader);
    if (plan.target === "@timestamp") builder.emit(op.PARSE_TIME, source, cache);
    else {
      const target = fields.write(plan.target);
      builder.emit(op.PARSE_TIME_TO, source, cache, target.slot);
      this.#settle(target, "text");
    }
    if (plan.removesField) fields.remove(plan.field);
  }

  #set(
    entries: readonly (readonly [name: string, value: SetValue])[],
    overwrites: boolean,
    isConditional: boolean,
  ): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const names = entries.map(([name]) => name);
    if (names.some((a) => names.some((b) => b.startsWith(a + "."))))
      throw new NotCompilable("fields that overlap are set");
    const worked = entries.map(([, value]) => ("json" in value ? undefined : this.#template(value.pieces)));
    entries.forEach(([name, value], i) => {
      const field = fields.write(name);
      const wasCertain = field.isCertain;
      const skip = builder.label();
      if (!overwrites) {
        if (wasCertain) return;
        builder.emit(op.JUMP_PRESENT, field.slot, skip);
      }
      const from = worked[i];
      const isNew = overwrites && !isConditional;
      if (from !== undefined) {
        builder.emit(op.COPY, from.slot, field.slot);
        this.#settle(field, overwrites ? from.kind : "either");
      } else if ("json" in value) {
        if (isNew) {
          this.#settle(field, "json");
          field.constant = value.json;
        } else {
          builder.emit(op.CONSTANT, field.slot, ...builder.text(value.json));
          this.#settle(field, overwrites ? "json" : "either");
        }
      }
      builder.place(skip);
    });
  }

  #template(pieces: readonly (string | { readonly field: string })[]): { slot: number; kind: "text" | "either" } {
    const [builder, fields] = [this.#builder, this.#fields];
    const slot = fields.slot();
    const [only] = pieces;
    const sources = pieces.map((piece) => (typeof piece === "string" ? -1 : this.#source(piece.field)));
    if (pieces.length === 1 && typeof only === "object") {
      const present = builder.label();
      builder.emit(op.JUMP_PRESENT, sources[0]!, present, op.GIVE_UP);
      builder.place(present);
      builder.emit(op.COPY, sources[0]!, slot);
      return { slot, kind: "either" };
    }
    builder.emit(op.TEXT_BEGIN);
    pieces.forEach((piece, i) => {
      if (typeof piece === "string") builder.emit(op.TEXT_CONSTANT, ...builder.text(piece));
      else builder.emit(op.TEXT_SLOT, sources[i]!);
    });
    builder.emit(op.TEXT_END, slot);
    return { slot, kind: "text" };
  }

  #rename(moves: readonly (readonly [from: string, to: string])[], needsAll: boolean): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const found = moves.map(([from, to]) => {
      const slot = fields.read(from);
      if (to.startsWith(from + ".") || from.startsWith(to + "."))
        throw new NotCompilable(`${from} moves inside itself`);
      if (slot === undefined) {
        if (needsAll) throw new NotCompilable(`no event has ${from}`);
        return undefined;
      }
      if (!fields.has(from)) throw new NotCompilable(`${from} is moved out of a JSON value`);
      const field = fields.write(from);
      const copy = fields.slot();
      builder.emit(op.COPY, slot, copy);
      if (needsAll) {
        const present = builder.label();
        builder.emit(op.JUMP_PRESENT, copy, present, op.GIVE_UP);
        builder.place(present);
      }
      return { to, copy, isCertain: field.isCertain || needsAll, kind: field.kind, field };
    });
    for (const each of found) if (each !== undefined) fields.clear(each.field);
    for (const each of found) {
      if (each === undefined) continue;
      const target = fields.write(each.to);
      fields.materialise(target);
      const skip = builder.label();
      builder.emit(op.JUMP_ABSENT, each.copy, skip, op.COPY, each.copy, target.slot);
      builder.place(skip);
      target.kind = each.isCertain || target.kind === each.kind ? each.kind : "either";
      target.isCertain ||= each.isCertain;
    }
  }

  #copy(moves: readonly (readonly [from: string, to: string])[], needsAll: boolean, overwrites: boolean): void {
    const [builder, fields] = [this.#builder, this.#fields];
    const found = moves.map(([from, to]) => {
      const slot = fields.read(from);
      if (slot === undefined) {
        if (needsAll) throw new NotCompilable(`no event has ${from}`);
        return undefined;
      }
      const copy = fields.slot();
      builder.emit(op.COPY, slot, copy);
      if (needsAll) {
        const present = builder.label();
        builder.emit(op.JUMP_PRESENT, copy, present, op.GIVE_UP);
        builder.place(present);
      }
      return { to, copy, isCertain: needsAll || (fields.has(from) && fields.write(from).isCertain) };
    });
    for (const each of found) {
      if (each === undefined) continue;
      const target = fields.write(each.to);
      fields.materialise(target);
      const skip = builder.label();
      if (!overwrites) builder.emit(op.JUMP_PRESENT, target.slot, skip);
      builder.emit(op.JUMP_ABSENT, each.copy, skip, op.COPY, each.copy, target.slot);
      builder.place(skip);
      target.kind = "either";
      target.isCertain ||= each.isCertain;
    }
  }

  #replace(names: readonly string[], json: string): void {
    const [builder, fields] = [this.#builder, this.#fields];
    for (const name of names) {
      if (fields.read(name) === undefined) continue;
      if (!fields.has(name)) throw new NotCompilable(`${name} is changed inside a JSON value`);
      const field = fields.write(name);
      if (field.constant !== undefined) {
        if (/^[[{n]/.test(field.constant)) throw new NotCompilable(`${name} is an object, an array or null`);
        field.constant = json;
        continue;
      }
      const skip = builder.label();
      // What is in an object or array is replaced, not the whole.
      builder.emit(op.JUMP_ABSENT, field.slot, skip, op.NEED_TEXT, field.slot, op.CONSTANT, field.slot);
      builder.emit(...builder.text(json));
      builder.place(skip);
      field.kind = "json";
    }
  }

  #convert(entries: readonly (readonly [name: string, type: keyof typeof CONVERSIONS])[]): void {
    for (const [name, type] of entries) {
      if (this.#fields.read(name) === undefined) continue;
      if (!this.#fields.has(name)) throw new NotCompilable(`${name} is changed inside a JSON value`);
      const field = this.#fields.write(name);
      this.#fields.materialise(field);
      this.#builder.emit(op.CONVERT, field.slot, CONVERSIONS[type]);
      field.kind = "either";
    }
  }

  #settle(field: Field, kind: Field["kind"]): void {
    field.constant = undefined;
    field.isCertain = true;
    field.kind = kind;
  }

  #time(reader: TimeReader): number {
    if (this.times.length >= this.#maxTimes) throw new NotCompilable("too many times");
    return this.times.push(reader) - 1;
  }
}

function capturedFields(pattern: TextPattern): string[] {
  return [...pattern.captures.map(({ field }) => field), ...pattern.ips.map(([, to]) => to)];
}

function certainFields(pattern: TextPattern, groups: ReadonlySet<number>): Set<string> {
  const isCertain = ({ group, take }: TextCapture): boolean =>
    take === "text" && (groups.has(group) || pattern.needs.some((need) => group >= need && group < need + 3));
  return new Set(pattern.captures.filter(isCertain).map(({ field }) => field));
}

/** The fields that a stage may change. */
function changedFields(plan: StagePlan): readonly string[] {
  switch (plan.kind) {
    case "parse_text":
      return [plan.field, "event.original", ...plan.patterns.flatMap(capturedFields)];
    case "parse_json":
      return [plan.field];
    case "parse_time":
      return [plan.field, plan.target];
    case "set":
    case "convert":
      return plan.fields.map(([name]) => name);
    case "rename":
      return plan.moves.flat();
    case "copy":
      return plan.moves.map(([, to]) => to);
    case "remove":
    case "keep":
    case "replace":
      return plan.fields;
    case "filter":
      return [];
  }
}
