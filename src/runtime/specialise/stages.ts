import type { SetValue, StagePlan, TimeReader } from "../../core/plan.ts";
import * as op from "../../codec/kernel/assembly/machine/opcodes.ts";
import type { ProgramBuilder } from "../../codec/kernel/program-builder.ts";
import { parseKql } from "../../codec/kql/parse.ts";
import { compileCondition } from "./condition.ts";
import { NotCompilable, settle, type Fields } from "./fields.ts";
import { emitCef, cefFields } from "./cef-code.ts";
import { capturedFields, CONVERSIONS, ParseCode } from "./parse-code.ts";

/** Emits the code of stages, one after the other. */
export class StageCode {
  readonly #builder: ProgramBuilder;
  readonly #fields: Fields;
  readonly #parse: ParseCode;

  constructor(builder: ProgramBuilder, fields: Fields, maxTimes: number) {
    this.#builder = builder;
    this.#fields = fields;
    this.#parse = new ParseCode(builder, fields, maxTimes);
  }

  /** What the program asks for by number: readers of times, and what makes values of text. */
  get times(): readonly TimeReader[] {
    return this.#parse.times;
  }
  get converters(): readonly ((text: string) => unknown)[] {
    return this.#parse.converters;
  }

  /** Puts in what stands before all code that runs. */
  prepare(plan: StagePlan): void {
    this.#parse.prepare(plan);
  }

  /** `index` is the stage's place in the pipeline; `when` is KQL. Throws NotCompilable. */
  add(plan: StagePlan, index: number, when: string | undefined): void {
    if (when === undefined) {
      this.#stage(plan, index, false);
      return;
    }
    if (plan.kind === "parse_json" || plan.kind === "parse_pairs")
      throw new NotCompilable("fields of unknown names under a condition");
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
        return this.#parse.parseText(plan, index, isConditional);
      case "by_header":
        throw new NotCompilable("no header line is known");
      case "parse_pairs":
        return this.#parse.parsePairs(plan);
      case "parse_cef":
        return emitCef(plan, this.#parse, this.#builder, this.#fields);
      case "parse_json":
        return this.#parse.parseJson(plan.field, plan.keepsOriginal);
      case "parse_time":
        return this.#parse.parseTime(plan);
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
        settle(field, overwrites ? from.kind : "either");
      } else if ("json" in value) {
        if (isNew) {
          settle(field, "json");
          field.constant = value.json;
        } else {
          builder.emit(op.CONSTANT, field.slot, ...builder.text(value.json));
          settle(field, overwrites ? "json" : "either");
        }
      }
      builder.place(skip);
    });
  }

  #template(pieces: readonly (string | { readonly field: string })[]): { slot: number; kind: "text" | "either" } {
    const [builder, fields] = [this.#builder, this.#fields];
    const slot = fields.slot();
    const [only] = pieces;
    const sources = pieces.map((piece) => (typeof piece === "string" ? -1 : fields.source(piece.field)));
    if (pieces.length === 1 && typeof only === "object") {
      this.#need(sources[0]!);
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
      if (needsAll) this.#need(copy);
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
      if (needsAll) this.#need(copy);
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

  /** Gives a line up that has nothing in a slot. */
  #need(slot: number): void {
    const present = this.#builder.label();
    this.#builder.emit(op.JUMP_PRESENT, slot, present, op.GIVE_UP);
    this.#builder.place(present);
  }
}

/** The fields that a stage may change. */
function changedFields(plan: StagePlan): readonly string[] {
  switch (plan.kind) {
    case "parse_text":
      return [plan.field, "event.original", ...plan.patterns.flatMap(capturedFields)];
    case "parse_cef":
      return [plan.field, "event.original", ...cefFields(plan)];
    case "parse_json":
    case "parse_pairs":
    case "by_header":
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
