import type { StagePlan } from "../../core/plan.ts";
import * as op from "../../codec/kernel/assembly/machine/opcodes.ts";
import type { MachineLimits, MachineProgram } from "../../codec/kernel/machine.ts";
import { ProgramBuilder } from "../../codec/kernel/program-builder.ts";
import { DocumentCode, type EnvelopeNames, type VariableText } from "./document.ts";
import { Fields, NotCompilable } from "./fields.ts";
import { StageCode } from "./stages.ts";

/** A stage of a pipeline, as far as a program is concerned. */
export interface PlannedStage {
  readonly label: string;
  readonly plan: StagePlan | undefined;
  /** KQL. */
  readonly when: string | undefined;
}

export interface CompiledPlan {
  readonly program: MachineProgram;
  /** Constants that depend on the partition. */
  readonly variables: readonly VariableText[];
}

/**
 * Makes one program of a pipeline's stages and of the writing of documents, for events with these envelope fields and
 * this many JSON encodings. A text says why there can be none.
 */
export function compilePipeline(
  stages: readonly PlannedStage[],
  envelope: EnvelopeNames,
  encodings: number,
  limits: MachineLimits,
  hash: (key: Buffer) => number,
): CompiledPlan | string {
  const builder = new ProgramBuilder(limits.programAddress);
  const paths = envelope.paths.filter((_, index) => index !== envelope.without);
  const names = [...paths, ...(envelope.offset === undefined ? [] : [envelope.offset])];
  const fields = new Fields(
    builder,
    limits.slots,
    names.map((parts) => parts.join(".")),
  );
  const code = new StageCode(builder, fields, limits.times);
  let label = "";
  try {
    if (stages.length > limits.stages) throw new NotCompilable("too many stages");
    const start = builder.label();
    builder.emit(op.JUMP, start);
    for (const stage of stages) {
      label = `stage ${stage.label}: `;
      if (stage.plan === undefined) throw new NotCompilable("has no plan");
      code.prepare(stage.plan);
    }
    builder.place(start);
    const message = fields.write("message");
    message.isCertain = true;
    builder.emit(op.LINE, message.slot, op.HEAD);
    stages.forEach((stage, index) => {
      label = `stage ${stage.label}: `;
      code.add(stage.plan!, index, stage.when);
    });
    label = "";
    const document = new DocumentCode(builder, fields, 2 * encodings);
    document.write(envelope);
    fields.finish(hash);
    if (document.constantBytes > limits.constantBytes) throw new NotCompilable("documents have too much constant text");
    const program: MachineProgram = {
      image: builder.finish(),
      slots: fields.slots,
      constantBytes: document.constantBytes,
      times: code.times,
      converters: code.converters,
    };
    return { program, variables: document.variables };
  } catch (error) {
    if (error instanceof NotCompilable || error instanceof RangeError) return label + error.message;
    throw error;
  }
}
