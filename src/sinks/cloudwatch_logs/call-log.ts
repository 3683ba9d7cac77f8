import { closeSync, constants, ftruncateSync, openSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Slice } from "../../core/batch.ts";
import type { Log } from "../../core/component.ts";
import { errorMessage, systemErrorCode } from "../../core/error.ts";

/** Neighbouring documents of one batch: the prefix of their ids, then offset and sub-index of the first and the last. */
export type Run = readonly [prefix: string, fromOffset: number, fromSub: number, toOffset: number, toSub: number];

/** Documents of which only the first bytes arrived, by event id. */
type Partials = Readonly<Record<string, number>>;

/** Ends a call: what of it the service has. */
export interface Answered {
  readonly delivered: readonly Run[];
  readonly partial: Partials;
}

/**
 * What was sent and what was answered, beside the checkpoints. CloudWatch Logs does not recognise an event that it has
 * already, and checkpoints are up to a second old when a process is killed: without this log everything answered in
 * that second would be doubled by the next process. With it only a call without an answer is.
 *
 * Lines are written to the file before the call and after its answer, and not synced: they outlive the process, not
 * the host. Two files, `calls.ndjson` and `calls.previous.ndjson`, each begun by a line that says the service:
 *
 *     {"format":1,"service":"eu-west-1"}
 *     ["sent",17,"group\u0000stream",[[prefix, from offset, from sub, to offset, to sub], …]]
 *     ["answered",17]                            all of it arrived
 *     ["answered",17,[run, …],{id: bytes, …}]    this much arrived
 *     ["refused",17]                             nothing arrived
 *
 * The older file goes when the newer one is full and a minute old: checkpoints have passed it by then.
 *
 * A call that cannot be noted must not be made. Behind each `sent` there is a line of blanks, into which its answer is
 * written: so that can be noted on a full disk too.
 */
export class CallLog {
  readonly #folder: string;
  readonly #service: string;
  readonly #log: Log;
  readonly #monotonicMs: () => number;
  /** Of earlier processes, by destination and id prefix. */
  readonly #answered = new Map<string, Run[]>();
  readonly #unanswered = new Map<string, Run[]>();
  readonly partials = new Map<string, number>();
  #file: number | undefined;
  #bytes = 0;
  #begunAtMs = 0;
  #next = 1;
  /** Where in the file the answer of a call that is under way goes. */
  readonly #reserved = new Map<number, number>();
  #failure: string | undefined;

  private constructor(folder: string, service: string, monotonicMs: () => number, log: Log) {
    this.#folder = folder;
    this.#service = service;
    this.#monotonicMs = monotonicMs;
    this.#log = log;
  }

  /** Reads what earlier processes left. `service` names the region or endpoint: the log of another one is not used. */
  static open(folder: string, service: string, monotonicMs: () => number, log: Log): CallLog {
    const calls = new CallLog(folder, service, monotonicMs, log);
    const open = new Map<number, { destination: string; runs: readonly Run[] }>();
    calls.#load(PREVIOUS, open);
    calls.#load(CURRENT, open);
    for (const { destination, runs } of open.values()) add(calls.#unanswered, destination, runs);
    return calls;
  }

  /** Whether earlier processes left anything. */
  get isEmpty(): boolean {
    return this.#answered.size === 0 && this.#unanswered.size === 0;
  }

  /** For each document of a slice: whether an earlier process had an answer for it. Undefined when for none. */
  answered(destination: string, slice: Slice): ((index: number) => boolean) | undefined {
    return lookup(this.#answered, destination, slice);
  }

  /** The same for calls that had no answer. */
  unanswered(destination: string, slice: Slice): ((index: number) => boolean) | undefined {
    return lookup(this.#unanswered, destination, slice);
  }

  /** Why the last note could not be made, if so. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** A call begins. Returns its number; undefined when that cannot be noted (`failure` says why). */
  sent(destination: string, runs: readonly Run[]): number | undefined {
    const call = this.#next++;
    if (this.#bytes > MAX_FILE_BYTES && this.#monotonicMs() - this.#begunAtMs > MIN_FILE_AGE_MS) this.#rotate();
    if (!this.#append(["sent", call, destination, runs], ANSWER_BYTES)) return undefined;
    this.#reserved.set(call, this.#bytes - ANSWER_BYTES);
    return call;
  }

  /** `what` is left out when every document of the call arrived whole. */
  answeredCall(call: number, what?: Answered): void {
    if (what === undefined) this.#answer(["answered", call], call);
    else {
      this.#reserved.delete(call);
      this.#append(["answered", call, what.delivered, what.partial]);
    }
  }

  /** The service said no, or was never reached: nothing of the call arrived. */
  refusedCall(call: number): void {
    this.#answer(["refused", call], call);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** Writes an answer where there is room for it. */
  #answer(record: readonly [string, number], call: number): void {
    const at = this.#reserved.get(call);
    this.#reserved.delete(call);
    if (at === undefined || this.#file === undefined) this.#append(record);
    else this.#try(() => writeAll(this.#file!, Buffer.from(JSON.stringify(record)), at));
  }

  /** Appends a line, and `blanks` bytes as another. Returns whether that went well; nothing of it is there otherwise. */
  #append(record: unknown, blanks = 0): boolean {
    return this.#try(() => {
      if (this.#file === undefined) this.#begin();
      this.#write(JSON.stringify(record) + "\n" + (blanks > 0 ? " ".repeat(blanks - 1) + "\n" : ""));
    });
  }

  #try(write: () => void): boolean {
    try {
      write();
      this.#failure = undefined;
      return true;
    } catch (error) {
      const failure = `cannot write ${join(this.#folder, CURRENT)}: ${errorMessage(error)}`;
      if (this.#failure === undefined) this.#log.warn(failure);
      this.#failure = failure;
      return false;
    }
  }

  #write(text: string): void {
    const bytes = Buffer.from(text);
    try {
      writeAll(this.#file!, bytes, this.#bytes);
    } catch (error) {
      // Half a line in front of the next one would spoil both.
      try {
        ftruncateSync(this.#file!, this.#bytes);
      } catch {
        // What is written next overwrites it.
      }
      throw error;
    }
    this.#bytes += bytes.length;
  }

  #begin(): void {
    const path = join(this.#folder, CURRENT);
    // Not for appending: then an answer could not be written in its place.
    this.#file = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
    try {
      this.#bytes = statSync(path).size;
      this.#begunAtMs = this.#monotonicMs();
      // After a line that a crash of the host cut off, too, this one begins afresh.
      this.#write((this.#bytes > 0 ? "\n" : "") + JSON.stringify({ format: 1, service: this.#service }) + "\n");
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #rotate(): void {
    try {
      this.#reserved.clear();
      this.close();
      renameSync(join(this.#folder, CURRENT), join(this.#folder, PREVIOUS));
    } catch (error) {
      this.#log.warn(`cannot rename ${join(this.#folder, CURRENT)}: ${errorMessage(error)}`);
    }
  }

  #load(name: string, open: Map<number, { destination: string; runs: readonly Run[] }>): void {
    let text: string;
    try {
      text = readFileSync(join(this.#folder, name), "utf8");
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") this.#log.warn(`cannot read ${name}: ${errorMessage(error)}`);
      return;
    }
    let isOurs = false;
    for (const line of text.split("\n")) {
      const record = parse(line);
      if (record === undefined) continue;
      if (!Array.isArray(record)) {
        const { format, service } = record as { format?: unknown; service?: unknown };
        isOurs = format === 1 && service === this.#service;
        continue;
      }
      const [what, call, third, fourth] = record as readonly unknown[];
      if (typeof call !== "number") continue;
      this.#next = Math.max(this.#next, call + 1);
      if (!isOurs) continue;
      if (what === "sent" && typeof third === "string" && isRuns(fourth)) {
        open.set(call, { destination: third, runs: fourth });
        continue;
      }
      const begun = open.get(call);
      if (begun === undefined) continue;
      open.delete(call);
      if (what !== "answered") continue;
      add(this.#answered, begun.destination, isRuns(third) ? third : begun.runs);
      for (const [id, bytes] of Object.entries((fourth ?? {}) as Partials)) this.partials.set(id, bytes);
    }
  }
}

/** The runs of a batch's documents for which `wanted` holds; indexes count over all slices. */
export function runsOf(slices: readonly Slice[], wanted: (document: number) => boolean): Run[] {
  const runs: Run[] = [];
  let document = 0;
  for (const { batch, from, to } of slices) {
    let start = -1;
    const end = (last: number): void => {
      const { idPrefix, offsets, subIndexes } = batch;
      runs.push([idPrefix, offsets[start]!, subIndexes?.[start] ?? 0, offsets[last]!, subIndexes?.[last] ?? 0]);
      start = -1;
    };
    for (let i = from; i < to; i++, document++) {
      if (wanted(document)) {
        if (start < 0) start = i;
      } else if (start >= 0) end(i - 1);
    }
    if (start >= 0) end(to - 1);
  }
  return runs;
}

/** Throws also when only a part could be written. */
function writeAll(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length;) {
    const written = writeSync(file, bytes, done, bytes.length - done, position + done);
    if (written === 0) throw new Error("nothing could be written");
    done += written;
  }
}

function parse(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    // Cut off by a crash of the host.
    return undefined;
  }
}

function isRuns(value: unknown): value is readonly Run[] {
  return (
    Array.isArray(value) &&
    value.every(
      (run: unknown) =>
        Array.isArray(run) &&
        run.length === 5 &&
        typeof run[0] === "string" &&
        run.slice(1).every((number) => typeof number === "number"),
    )
  );
}

function add(runs: Map<string, Run[]>, destination: string, more: readonly Run[]): void {
  for (const run of more) {
    const key = `${destination}\u0000${run[0]}`;
    const known = runs.get(key);
    if (known === undefined) runs.set(key, [run]);
    else known.push(run);
  }
}

function lookup(
  runs: ReadonlyMap<string, readonly Run[]>,
  destination: string,
  slice: Slice,
): ((index: number) => boolean) | undefined {
  const { batch, from, to } = slice;
  const { offsets, subIndexes } = batch;
  const first = offsets[from]!;
  const last = offsets[to - 1]!;
  const near = runs
    .get(`${destination}\u0000${batch.idPrefix}`)
    ?.filter(([, fromOffset, , toOffset]) => toOffset >= first && fromOffset <= last);
  if (near === undefined || near.length === 0) return undefined;
  return (index) => {
    const offset = offsets[index]!;
    const sub = subIndexes?.[index] ?? 0;
    return near.some(
      ([, fromOffset, fromSub, toOffset, toSub]) =>
        (offset > fromOffset || (offset === fromOffset && sub >= fromSub)) &&
        (offset < toOffset || (offset === toOffset && sub <= toSub)),
    );
  };
}

const CURRENT = "calls.ndjson";
const PREVIOUS = "calls.previous.ndjson";
const MAX_FILE_BYTES = 1 << 20;
const MIN_FILE_AGE_MS = 60_000;
/** Room for `["answered",9007199254740991]` and its line end. */
const ANSWER_BYTES = 40;
