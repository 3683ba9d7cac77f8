import type { KqlNode } from "../../codec/kql/ast.ts";
import * as op from "../../codec/kernel/assembly/machine/opcodes.ts";
import type { ProgramBuilder } from "../../codec/kernel/program-builder.ts";
import { networkIn, numberIn } from "../../codec/kql/meaning.ts";
import { NotCompilable, type Fields } from "./fields.ts";

const OPERATORS = {
  "<": op.LESS,
  "<=": op.LESS_OR_EQUAL,
  ">": op.GREATER,
  ">=": op.GREATER_OR_EQUAL,
} as const;

/** Emits code that sets the machine's flag to whether an event matches. It means what codec/kql/predicate.ts means. */
export function compileCondition(node: KqlNode, builder: ProgramBuilder, fields: Fields): void {
  switch (node.kind) {
    case "all":
      builder.emit(op.SET_FLAG, 1);
      return;
    case "not":
      compileCondition(node.node, builder, fields);
      builder.emit(op.NOT);
      return;
    case "and":
    case "or": {
      const end = builder.label();
      node.nodes.forEach((each, i) => {
        // Values inside JSON are looked up where they are asked for: each time anew, for code may be jumped over.
        compileCondition(each, builder, fields);
        if (i < node.nodes.length - 1) builder.emit(node.kind === "and" ? op.JUMP_UNLESS : op.JUMP_IF, end);
      });
      builder.place(end);
      return;
    }
    case "exists":
      test(node.field, (slot) => [op.EXISTS, slot], builder, fields);
      return;
    case "compare": {
      const number = numberIn(node.value);
      if (number === undefined || node.field === "@timestamp")
        throw new NotCompilable("a condition compares no numbers");
      test(node.field, (slot) => [op.COMPARE, slot, OPERATORS[node.operator], builder.float(number)], builder, fields);
      return;
    }
    case "is":
      is(node.field, node.value.text, node.value.pieces, builder, fields);
      return;
    case "text":
      throw new NotCompilable("a condition searches text");
  }
}

function is(
  field: string,
  text: string,
  pieces: readonly string[] | undefined,
  builder: ProgramBuilder,
  fields: Fields,
): void {
  if (field === "message" || field === "@timestamp") throw new NotCompilable(`a condition on ${field}`);
  if (pieces !== undefined) {
    like(field, pieces, builder, fields);
    return;
  }
  if (networkIn(text) !== undefined) throw new NotCompilable("a condition on a network");
  const number = numberIn(text);
  if (text === "true" || text === "false") {
    test(field, (slot) => [op.IS_BOOLEAN, slot, text === "true" ? 1 : 0], builder, fields);
    return;
  }
  const address = number === undefined ? 0 : builder.float(number);
  test(
    field,
    (slot) => [op.EQUALS, slot, ...builder.text(text), address, number === undefined ? 0 : 1],
    builder,
    fields,
  );
}

/** `a*`, `*a` and `*a*`. */
function like(field: string, pieces: readonly string[], builder: ProgramBuilder, fields: Fields): void {
  const [first = "", middle = "", last = ""] = pieces.length === 2 ? [pieces[0], "", pieces[1]] : pieces;
  const filled = [first, middle, last].filter((piece) => piece !== "");
  if (pieces.length > 3 || filled.length !== 1) throw new NotCompilable("a condition with several wildcards");
  const mode = first !== "" ? op.LIKE_PREFIX : last !== "" ? op.LIKE_SUFFIX : op.LIKE_INSIDE;
  test(field, (slot) => [op.LIKE, slot, ...builder.text(filled[0]!), mode], builder, fields);
}

function test(field: string, code: (slot: number) => readonly number[], builder: ProgramBuilder, fields: Fields): void {
  const slot = fields.read(field);
  if (slot === undefined) builder.emit(op.SET_FLAG, 0);
  else builder.emit(...code(slot));
}
