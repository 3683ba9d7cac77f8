import type { StagePlan } from "../../core/plan.ts";
import * as op from "../../codec/kernel/assembly/machine/opcodes.ts";
import type { ProgramBuilder } from "../../codec/kernel/program-builder.ts";
import type { Fields } from "./fields.ts";
import type { ParseCode } from "./parse-code.ts";

type Plan = StagePlan & { readonly kind: "parse_cef" };

/** Emits code that takes a message in the Common Event Format apart. */
export function emitCef(plan: Plan, parse: ParseCode, builder: ProgramBuilder, fields: Fields): void {
  const source = fields.source(plan.field);
  const typed = plan.extensions.filter(([, , take]) => take !== "text").map(([, field]) => field);
  const targets = parse.targets(plan.field, cefFields(plan), typed);
  const slotOf = (name: string): number => targets.get(name)!.field.slot;
  const [text, time] = [fields.slot(), fields.slot()];
  builder.emit(op.NEED_TEXT, source, op.COPY, source, text, op.CLEAR, source);
  const known = [
    ...plan.extensions.map(([key, field]) => [key, slotOf(field)] as const),
    [plan.time.key, time] as const,
  ];
  const { table, count } = fields.keyTable(known);
  builder.emit(op.CEF, text, table, count, slotOf(plan.rest));
  for (const capture of plan.header) parse.capture(capture, slotOf(capture.field), 0);
  for (const [, name, take] of plan.extensions) {
    if (take === "text") continue;
    const [slot, next] = [slotOf(name), builder.label()];
    builder.emit(op.JUMP_ABSENT, slot, next);
    if (take === "lower") builder.emit(op.LOWER, slot);
    else if (take === "integer") builder.emit(op.DIGITS, slot);
    else if (take === "ip") builder.emit(op.CONVERT, slot, op.CONVERT_IP);
    else builder.emit(op.CONVERT_WITH, slot, parse.converters.push(take) - 1);
    builder.place(next);
  }
  const none = builder.label();
  builder.emit(op.JUMP_ABSENT, time, none, op.PARSE_TIME, time, parse.time(plan.time.reader));
  builder.place(none);
  const before = fields.write(plan.field);
  before.isCertain = false;
  for (const { field, wasCertain } of targets.values()) {
    field.isCertain = wasCertain;
    field.kind = "either";
  }
  parse.keepOriginal(plan.keepsOriginal);
}

/** The fields that it may write. */
export function cefFields(plan: Plan): string[] {
  return [...plan.header.map(({ field }) => field), ...plan.extensions.map(([, field]) => field), plan.rest];
}
