import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { loadPipelineFile, type PipelineFile } from "../../runtime/config/pipeline-file.ts";
import { formatProblem } from "../../runtime/config/problems.ts";
import { recognise } from "../../runtime/recognition/recognise.ts";
import { sampleEvent } from "../../runtime/sample-events.ts";
import { StageChain } from "../../runtime/stage-chain.ts";
import { WiretailError } from "../../core/error.ts";
import { components } from "../components.ts";
import type { TailHooks } from "./components.ts";
import type { Group } from "./host.ts";
import { ENOUGH_LINES, explain, labelsOf, recogniseFile, type FileArgument } from "./inputs.ts";
import type { RowPrinter } from "./output.ts";
import { History } from "./history.ts";
import { rowOf } from "./row.ts";
import { offsetOfLast, offsetOfTime } from "./start.ts";
import type { StdinLook } from "./stdin-look.ts";

const FILE_PATH = new Path("log.file.path");

export interface SessionOptions {
  /** Shipped pipelines, or the one that was asked for. */
  readonly formats: readonly PipelineFile[];
  /** `--format`: a name, a path, or "text". */
  readonly format: string | undefined;
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  /** Lines to begin with; undefined: all. */
  readonly lines: number | undefined;
  readonly json: boolean;
  readonly raw: boolean;
  readonly follows: boolean;
  readonly say: (line: string) => void;
  readonly ready: () => Promise<void> | undefined;
  /** There is no room on the screen now. */
  readonly isBlocked: () => boolean;
}

interface ShownGroup extends Group {
  readonly isPretty: boolean;
  /** Lines of it have no time of their own. */
  readonly isTimeless: boolean;
}

/** What `tail` knows of its inputs: their formats, where reading begins, how events are shown. */
export class TailSession implements TailHooks {
  readonly groups: ShownGroup[] = [];
  readonly #options: SessionOptions;
  readonly #printer: RowPrinter;
  readonly #arguments: readonly FileArgument[];
  readonly #look: StdinLook | undefined;
  readonly #starts = new Map<string, number>();
  readonly #sizes = new Map<string, number>();
  /** What is there at the start, in the order of time; undefined where there is only one file. */
  #history: History | undefined = undefined;
  readonly #labels = new Map<string, string>();
  /** Files whose format is not decided yet, as they are there or not, with when their first line was seen. */
  readonly #undecided = new Map<string, { readonly argument: FileArgument; sinceMs: number | undefined }>();

  constructor(
    options: SessionOptions,
    printer: RowPrinter,
    fileArguments: readonly FileArgument[],
    look: StdinLook | undefined,
  ) {
    this.#options = options;
    this.#printer = printer;
    this.#arguments = fileArguments;
    this.#look = look;
  }

  /** Labels of all inputs: none where there is only one. */
  static labels(fileArguments: readonly FileArgument[], hasStdin: boolean): string[] {
    const paths = fileArguments.flatMap(({ paths: each, glob }) => (each.length === 0 ? [glob] : each));
    const isOne = paths.length + (hasStdin ? 1 : 0) <= 1 && !fileArguments.some(isPattern);
    return isOne ? [] : [...labelsOf(paths).values(), ...(hasStdin ? ["stdin"] : [])];
  }

  /** Decides on every input that has lines, and notes the others to be looked at again. */
  async begin(): Promise<void> {
    const { labels } = this.#printer.view;
    if (labels.length > 0) {
      const paths = this.#arguments.flatMap(({ paths: each }) => each);
      for (const [path, label] of labelsOf(paths)) this.#labels.set(path, label);
    }
    if (this.#look !== undefined) this.#addStdin(this.#look);
    for (const argument of this.#arguments) {
      if (argument.paths.length === 0) {
        this.#undecided.set(argument.glob, { argument, sinceMs: undefined });
        this.#options.say(`${argument.said}: does not exist yet; it is waited for`);
      } else await this.#decide(argument);
    }
    if (this.#sizes.size > 1) {
      this.#history = new History({
        ...{ files: this.#sizes, startedMs: Date.now(), isBlocked: this.#options.isBlocked },
        after: (milliseconds, callback) => {
          const timer = setTimeout(callback, milliseconds);
          return () => clearTimeout(timer);
        },
      });
    }
  }

  /** Nothing comes any more: what waited for its turn is shown. */
  end(): void {
    this.#history?.end();
  }

  /** Whether there are inputs without a line so far. */
  get waits(): boolean {
    return this.#undecided.size > 0;
  }

  /** Looks at those again. Returns whether one was decided on. */
  async lookAgain(nowMs: number): Promise<boolean> {
    let changed = false;
    for (const [key, { argument, sinceMs }] of this.#undecided) {
      const { findArgument } = await import("./inputs.ts");
      const found = argument.paths.length > 0 ? argument : await findArgument(argument.said, true);
      const path = found.paths[0];
      if (path === undefined) continue;
      const recognition = await recogniseFile(path, this.#options.formats, nowMs);
      if (recognition === undefined) continue;
      if (recognition.seen < ENOUGH_LINES && (sinceMs === undefined || nowMs - sinceMs < SETTLE_MS)) {
        this.#undecided.set(key, { argument: found, sinceMs: sinceMs ?? nowMs });
        continue;
      }
      this.#undecided.delete(key);
      for (const each of explain(argument.said, recognition)) this.#options.say(each);
      this.#add([found.glob], this.#options.format ?? recognition.format);
      changed = true;
    }
    return changed;
  }

  async #decide(argument: FileArgument): Promise<void> {
    const { formats, format, say } = this.#options;
    const byFormat = new Map<string | undefined, string[]>();
    const unknown: string[] = [];
    for (const path of argument.paths) {
      const name = argument.paths.length === 1 ? argument.said : path;
      const found = await recogniseFile(path, formats, Date.now());
      if (found === undefined) {
        if (argument.paths.length > 1 || !this.#options.follows) continue;
        this.#undecided.set(path, { argument, sinceMs: undefined });
        say(`${name}: is empty; it is waited for`);
        return;
      }
      const chosen = format ?? found.format;
      if (format === undefined) {
        if (found.format === undefined && argument.paths.length > 3) unknown.push(name);
        else for (const each of explain(name, found)) say(each);
      }
      byFormat.set(chosen, [...(byFormat.get(chosen) ?? []), path]);
      await this.#place(path, chosen);
    }
    if (unknown.length > 0) say(`${unknown.length} files: unknown format, shown as text: ${unknown.join(", ")}`);
    if (byFormat.size <= 1) this.#add([argument.glob], [...byFormat.keys()][0]);
    else {
      say(`${argument.said}: its files have several formats; files that are new later are not shown`);
      for (const [each, paths] of byFormat) this.#add(paths, each);
    }
  }

  #addStdin(look: StdinLook): void {
    const { formats, format, say } = this.#options;
    const found = recognise(look.lines, formats, { nowMs: Date.now() });
    if (format === undefined && look.lines.length > 0) for (const each of explain("-", found)) say(each);
    this.#add(undefined, format ?? found.format);
  }

  #add(include: readonly string[] | undefined, format: string | undefined): void {
    const { formats, fromMs, toMs, raw, say } = this.#options;
    const isText = format === undefined || format === "text";
    const file = isText ? undefined : (formats.find(({ name }) => name === format) ?? formats[0]);
    if (isText && (fromMs !== undefined || toMs !== undefined))
      say("  no times are known in it: --since and --until leave nothing of it out");
    this.groups.push({
      ...{ include, format: isText ? undefined : format, isTimeless: isText },
      isPretty: !raw && file?.stages[0]?.definition.type === "parse_json",
    });
  }

  /** Finds where reading of a file begins. */
  async #place(path: string, format: string | undefined): Promise<void> {
    const { lines, fromMs, formats } = this.#options;
    const pipeline = formats.find(({ name }) => name === format) ?? (format === "text" ? undefined : formats[0]);
    const offsets = [0];
    if (lines !== undefined) offsets.push(await offsetOfLast(path, lines));
    if (fromMs !== undefined && format !== undefined && pipeline !== undefined)
      offsets.push(await offsetOfTime(path, fromMs, timeReader(pipeline)));
    const [start, { size }] = [Math.max(...offsets), await stat(path)];
    this.#starts.set(path, start);
    if (start < size) this.#sizes.set(path, size);
  }

  startOf(path: string): number | undefined {
    const start = this.#starts.get(path);
    // What comes at this path after a rotation begins at its beginning.
    this.#starts.delete(path);
    return start;
  }

  takeStdin(): { readonly chunks: readonly Buffer[]; readonly ended: boolean } {
    return this.#look ?? { chunks: [], ended: true };
  }

  show(event: LogEvent, index: number): boolean {
    const { fromMs = -Infinity, toMs = Infinity, json } = this.#options;
    const group = this.groups[index];
    if (group === undefined) return false;
    if (!group.isTimeless && (event.timeMs < fromMs || event.timeMs >= toMs)) return false;
    if (json) {
      const text = JSON.stringify(event.toObject()) + "\n";
      this.#inTurn(event, group, text.length, () => this.#printer.addText(text));
    } else {
      const row = rowOf(event, { isPretty: group.isPretty, label: this.#labelOf(event) });
      const length = row.lines.reduce((sum, line) => sum + line.length, 0);
      this.#inTurn(event, group, length, () => this.#printer.add(row));
    }
    return true;
  }

  reached(event: LogEvent): void {
    if (this.#history === undefined || this.#history.isOver) return;
    const path = event.get(FILE_PATH);
    if (typeof path === "string") this.#history.reached(path, event.offset + Buffer.byteLength(event.line));
  }

  #inTurn(event: LogEvent, group: ShownGroup, length: number, show: () => void): void {
    if (this.#history === undefined || this.#history.isOver) {
      show();
      return;
    }
    const path = event.get(FILE_PATH);
    this.#history.add(
      typeof path === "string" ? path : "",
      group.isTimeless ? undefined : event.timeMs,
      length + ROW_CHARACTERS,
      show,
    );
  }

  ready(): Promise<void> | undefined {
    return this.#options.ready();
  }

  #labelOf(event: LogEvent): string | undefined {
    if (this.#printer.view.labels.length === 0) return undefined;
    const path = event.get(FILE_PATH);
    if (typeof path !== "string") return "stdin";
    let label = this.#labels.get(path);
    if (label === undefined) this.#labels.set(path, (label = path.slice(path.lastIndexOf("/") + 1)));
    return label;
  }
}

/** What a row takes beside its text, about. */
const ROW_CHARACTERS = 100;

/** With few lines, more may come: so long is waited. */
const SETTLE_MS = 500;

function isPattern({ glob, paths }: FileArgument): boolean {
  return paths.length !== 1 || resolve(paths[0]!) !== glob.replaceAll("\\", "");
}

/** Gives the time of a line as a pipeline finds it. */
function timeReader(pipeline: PipelineFile): (line: string) => number | undefined {
  const nowMs = Date.now();
  const noTimeMs = nowMs + 0.125;
  const chain = new StageChain(pipeline.stages, () => nowMs);
  return (line) => {
    const [event] = chain.run([sampleEvent(line, noTimeMs, 0)], () => undefined);
    return event === undefined || event.timeMs === noTimeMs ? undefined : event.timeMs;
  };
}

/** The pipelines that `--format` asks for, or all shipped ones to recognise by. */
export async function formatsFor(format: string | undefined): Promise<readonly PipelineFile[]> {
  if (format === "text") return [];
  if (format === undefined) {
    const { shippedFormats } = await import("../../runtime/recognition/formats.ts");
    return shippedFormats(components.stages);
  }
  const { pipeline, problems } = await loadPipelineFile(format, ".", { stages: components.stages });
  if (pipeline !== undefined) return [pipeline];
  const errors = problems.filter((problem) => problem.severity === "error");
  const isName = !format.endsWith(".json") && !format.includes("/");
  throw isName
    ? new WiretailError("WT_USAGE", `--format: ${errors[0]?.message}`, {
        hint: "--format text takes lines as they are",
      })
    : new WiretailError("WT_CONFIG_INVALID", errors.map(formatProblem).join("\n"), { hint: `wiretail test ${format}` });
}
