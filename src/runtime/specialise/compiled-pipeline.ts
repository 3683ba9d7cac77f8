import type { Encoding, LineBatch, LineBytes } from "../../core/batch.ts";
import type { Envelope } from "../../core/event.ts";
import { Machine, machineModule, type MadeDocuments } from "../../codec/kernel/machine.ts";
import { compilePipeline, type CompiledPlan, type PlannedStage } from "./compile.ts";
import type { EnvelopeNames } from "./document.ts";

/** Takes what a compiled pipeline makes of a batch, in order. */
export interface CompiledOutput {
  /**
   * Documents that are bytes: `body(k)` are those of encoding k. All of it is lent for the call. `lines` counts from
   * `firstLine` of the batch.
   */
  readonly documents: (
    made: MadeDocuments,
    firstLine: number,
    body: (encoding: number) => Pick<MadeDocuments, "bytes" | "ends">,
  ) => void;
  /** Lines from … to - 1, which the program left to the plain way. */
  plain(lines: LineBytes, from: number, to: number): void;
  /** `lines` went through the program; of these `drops[stage]` were left out. The array is set to 0 afterwards. */
  counted(lines: number, drops: Int32Array, milliseconds: number): void;
}

/**
 * Runs a pipeline as a program of the machine (codec/kernel), where that can be done: docs/performance.md says when.
 * One program for each set of envelope names, for nearly all pipelines one; and for each header line, where it says what
 * lines are.
 */
export class CompiledPipeline {
  readonly #stages: readonly PlannedStage[];
  readonly #encodings: readonly (Encoding & { readonly kind: "json" })[];
  /** The encodings by the lengths of their heads, the longest first: so the machine writes them. */
  readonly #order: readonly number[];
  readonly #programs = new Map<string, Program | string>();
  /** Whose constants are in the machine. */
  #loadedFor: { readonly program: Program; readonly envelope: Envelope; readonly idPrefix: string } | undefined;

  /** Batches that go the plain way before the program is tried again. */
  #plainBatches = 0;

  /** `encodings` are distinct. */
  private constructor(stages: readonly PlannedStage[], encodings: readonly (Encoding & { readonly kind: "json" })[]) {
    this.#stages = stages;
    this.#encodings = encodings;
    const length = ({ before, after }: Encoding & { kind: "json" }): number =>
      Buffer.byteLength(before) + (after === undefined ? 0 : Buffer.byteLength(after) + MAX_ID_BYTES);
    this.#order = [...encodings.keys()].sort((a, b) => length(encodings[b]!) - length(encodings[a]!));
  }

  /** Undefined where no batch can be run so: there is no machine, or an encoding is not JSON. */
  static create(stages: readonly PlannedStage[], encodings: readonly Encoding[]): CompiledPipeline | undefined {
    const json = encodings.flatMap((encoding) => (encoding.kind === "json" ? [encoding] : []));
    if (json.length < encodings.length || json.length > MAX_ENCODINGS || machineModule() === null) return undefined;
    return new CompiledPipeline(stages, json);
  }

  /** Why batches with this envelope cannot be run, or undefined. */
  refusal(envelope: Envelope): string | undefined {
    const program = this.#program(envelope);
    return typeof program === "string" ? program : undefined;
  }

  /** Runs a batch, or returns false, with nothing done, where the plain way has to be gone. */
  run(batch: LineBatch, idPrefix: string, output: CompiledOutput): boolean {
    const { lines, flags } = batch;
    if (lines === undefined || flags !== undefined) return false;
    if (this.#plainBatches > 0) {
      this.#plainBatches--;
      return false;
    }
    const program = this.#program(batch.partition.envelope);
    if (typeof program === "string" || !this.#setVariables(program, batch.partition.envelope, idPrefix)) return false;
    const { machine } = program;
    const began = performance.now();
    let elsewhereMs = 0;
    let plainLines = 0;
    machine.begin(batch.readAtMs);
    // Neighbours that go the plain way go together.
    let [from, to] = [0, 0];
    const plain = (): void => {
      if (from === to) return;
      const left = performance.now();
      plainLines += to - from;
      output.plain(lines, from, to);
      from = to;
      elsewhereMs += performance.now() - left;
    };
    const leave = (line: number): void => {
      if (line !== to || to - from >= MAX_NEIGHBOURS) {
        plain();
        from = line;
      }
      to = line + 1;
    };
    for (let first = 0; first < batch.count;) {
      const loaded = machine.load(lines, batch.offsets, first, batch.count);
      if (loaded === first) {
        leave(first++);
        continue;
      }
      for (let line = 0; line < loaded - first;) {
        line = machine.run(line, loaded - first);
        const made = machine.made();
        if (made !== undefined) {
          plain();
          output.documents(made, first, (k) => this.#body(machine, made, k));
        }
        if (machine.stoppedAtLine) leave(first + line++);
      }
      first = loaded;
    }
    plain();
    // Where most lines are nothing for the program it only costs.
    if (batch.count >= MANY_LINES && plainLines > batch.count / 2) this.#plainBatches = PLAIN_BATCHES;
    output.counted(batch.count - plainLines, machine.drops, performance.now() - began - elsewhereMs);
    machine.drops.fill(0);
    return true;
  }

  /** The machine writes the encoding with the longest head itself; the others are made of that one's documents. */
  #body(machine: Machine, made: MadeDocuments, encoding: number): Pick<MadeDocuments, "bytes" | "ends"> {
    const place = this.#order.indexOf(encoding);
    return place === 0 ? made : machine.other(place);
  }

  #program(envelope: Envelope): Program | string {
    const loaded = this.#loadedFor;
    if (loaded?.envelope === envelope) return loaded.program;
    const header = this.#headerIn(envelope);
    const names: EnvelopeNames = {
      paths: envelope.paths.map(({ parts }) => parts),
      offset: envelope.offsetPath?.parts,
      without: header?.index,
    };
    const key = JSON.stringify([names, header?.text]);
    let program = this.#programs.get(key);
    if (program === undefined) {
      if (this.#programs.size >= MAX_PROGRAMS) return "too many kinds of events, by header lines or fields of sources";
      const { module, limits, hash } = machineModule()!;
      const plan = compilePipeline(header?.stages ?? this.#stages, names, this.#encodings.length, limits, hash);
      program = typeof plan === "string" ? plan : { plan, machine: new Machine(module, plan.program) };
      this.#programs.set(key, program);
    }
    return program;
  }

  /** Where the first stage goes by a header line that the envelope has: its place there, and the stages by that line. */
  #headerIn(
    envelope: Envelope,
  ): { readonly index: number; readonly text: string; readonly stages: readonly PlannedStage[] } | undefined {
    const [first, ...others] = this.#stages;
    if (first?.plan?.kind !== "by_header" || first.when !== undefined) return undefined;
    const { field, of } = first.plan;
    const index = envelope.paths.findIndex(({ name }) => name === field);
    const text = envelope.values[index];
    if (typeof text !== "string") return undefined;
    return { index, text, stages: [{ ...first, plan: of(text) }, ...others] };
  }

  #setVariables(program: Program, envelope: Envelope, idPrefix: string): boolean {
    const { plan, machine } = program;
    const loaded = this.#loadedFor;
    if (loaded?.program === program && loaded.envelope === envelope && loaded.idPrefix === idPrefix) return true;
    this.#loadedFor = undefined;
    const heads = this.#order.map((k): readonly [string, string | undefined] => {
      const { before, after } = this.#encodings[k]!;
      return after === undefined ? [before, undefined] : [before + idPrefix, after];
    });
    const texts = envelope.values.map((value) => JSON.stringify(value));
    const own = plan.variables.map((parts) =>
      parts.map((part) => (typeof part === "string" ? part : texts[part.envelope]!)).join(""),
    );
    if (!machine.setVariables(heads, own)) return false;
    this.#loadedFor = { program, envelope, idPrefix };
    return true;
  }
}

interface Program {
  readonly plan: CompiledPlan;
  readonly machine: Machine;
}

const MAX_ENCODINGS = 8;
/** At 2.5 MB each. */
const MAX_PROGRAMS = 16;
const MAX_NEIGHBOURS = 128;
const MANY_LINES = 32;
const PLAIN_BATCHES = 15;
/** A partition's id, the pipeline's short name, an offset, and dots. */
const MAX_ID_BYTES = 64;
