import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { EncodedBatch } from "../../core/batch.ts";
import type { Log } from "../../core/component.ts";
import { errorMessage, WiretailError } from "../../core/error.ts";
import { formatIsoTime } from "../../core/time.ts";
import { letterName, type DeadLetter } from "../../disk/dead-letters/letter.ts";
import { compileLetterQuery } from "../../disk/dead-letters/query.ts";
import { readLetters } from "../../disk/dead-letters/segments.ts";
import type { DeadLetterStore } from "../../disk/dead-letters/store.ts";
import { sleep, type Clock } from "../clock.ts";
import type { HostConfig } from "../config/types.ts";
import { OutboxEntry } from "../outbox.ts";
import { RouteProgress } from "../progress.ts";
import { SentMark } from "../sent-mark.ts";
import type { SinkRunner } from "../sink-runner.ts";
import { encodeReplay, replayPartition } from "./documents.ts";
import { ReplayPlanner, type PlannedLetter } from "./planner.ts";
import { readRunFile, removeRunFile, writeRunFile, type RunFile } from "./run-file.ts";

/** How a replay stands. */
export interface ReplayStatus {
  readonly state: "none" | "running" | "stopping" | "finished" | "stopped" | "failed";
  readonly began_at: string | null;
  /** Letters that it set out to replay. */
  readonly selected: number;
  /** Delivered to every sink that they were for, and no dead letters any more. */
  readonly delivered: number;
  /** Refused again by a stage or a sink, left out by a filter, or not possible: they stay. By reason. */
  readonly failed: number;
  readonly left_out: number;
  readonly impossible: number;
  readonly reasons: Readonly<Record<string, number>>;
  /** Sinks that it waits for, with their last error. */
  readonly waiting_for: Readonly<Record<string, string>>;
  readonly error: string | null;
}

export interface ReplaysOptions {
  readonly stateDir: string;
  readonly store: DeadLetterStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: () => HostConfig;
  readonly sink: (name: string) => SinkRunner | undefined;
  /** Told what sinks refuse of a replayed batch, instead of a new dead letter being written. */
  readonly refusals: WeakMap<EncodedBatch, (index: number, reason: string) => void>;
}

/** One document of a letter on its way to one sink. */
interface Sending {
  readonly planned: PlannedLetter;
  readonly sinkName: string;
  readonly sinkIdentity: string;
}

/**
 * Replays dead letters, one run at a time. What a run set out to do is on disk before its first event goes out, and a
 * run that a crash or a stop cut short is continued by the next start: with the same ids and the same partitions, so
 * that what had arrived is not written twice. Letters leave only when every sink that they were for has them.
 */
export class Replays {
  readonly #options: ReplaysOptions;
  readonly #path: string;
  #status: { -readonly [K in keyof ReplayStatus]: ReplayStatus[K] } = emptyStatus();
  /** Nothing more is begun: the run was cancelled, or the agent stops. */
  #stop = new AbortController();
  /** Nothing more is waited for. */
  readonly #closed = new AbortController();
  #run!: RunFile;
  /** Names of the letters that are on their way. */
  #underWay: readonly string[] = [];
  #running: Promise<void> = Promise.resolve();
  readonly #waitingFor = new Set<string>();
  readonly #replayed = new WeakMap<SinkRunner, number>();

  constructor(options: ReplaysOptions) {
    this.#options = options;
    this.#path = join(options.stateDir, "dead-letters", "replay.json");
  }

  get status(): ReplayStatus {
    const waiting: Record<string, string> = {};
    for (const name of this.#waitingFor) {
      const health = this.#options.sink(name)?.health;
      if (health !== undefined && health.state !== "working") waiting[name] = health.lastError?.message ?? health.state;
    }
    return { ...this.#status, waiting_for: waiting };
  }

  /** Events that were queued for a sink by replays. */
  replayedTo(runner: SinkRunner): number {
    return this.#replayed.get(runner) ?? 0;
  }

  get #isActive(): boolean {
    return this.#status.state === "running" || this.#status.state === "stopping";
  }

  /** Continues what an earlier process could not end. */
  async resume(): Promise<void> {
    const run = await readRunFile(this.#path, (message) => {
      this.#options.log.error(message);
    });
    if (run === undefined) return;
    this.#options.log.info("continuing a replay of dead letters", {
      letters: run.letters.length,
      began_at: run.began_at,
    });
    this.#begin(run);
  }

  /** Begins a run over the letters that a query selects. Throws where one is under way already, or KqlSyntaxError. */
  async start(query: string, asItWas: boolean): Promise<ReplayStatus> {
    const isSelected = compileLetterQuery(query);
    if (this.#isActive) {
      throw new WiretailError("WT_USAGE", "a replay is under way already", {
        hint: "wait for it (wiretail dead-letters replay --follow), or end it with: wiretail dead-letters replay --stop",
      });
    }
    const now = formatIsoTime(this.#options.clock.now());
    this.#status = { ...emptyStatus(), state: "running", began_at: now };
    try {
      const letters: string[] = [];
      for await (const letter of readLetters(join(this.#options.stateDir, "dead-letters")))
        if (isSelected(letter)) letters.push(letterName(letter));
      const run: RunFile = {
        ...{ format: 1, run: randomBytes(12).toString("base64url"), began_at: now, as_it_was: asItWas, letters },
      };
      if (letters.length > 0) await writeRunFile(this.#path, run);
      this.#begin(run);
    } catch (error) {
      this.#status.state = "failed";
      throw error;
    }
    return this.status;
  }

  /**
   * Ends the run after what is under way, which may take until its sinks are back: what was not sent stays among the dead
   * letters. Resolves at once.
   */
  async cancel(): Promise<ReplayStatus> {
    if (this.#status.state === "running") {
      this.#status.state = "stopping";
      this.#stop.abort();
      // A crash before it is settled: then this much has to be continued.
      await writeRunFile(this.#path, { ...this.#run, letters: this.#underWay });
    }
    return this.status;
  }

  /** Resolves when the present run is over, if there is one. */
  finished(): Promise<void> {
    return this.#running;
  }

  /** The agent stops: nothing more is sent. A run that is not at its end is continued by the next start. */
  pause(): void {
    this.#stop.abort();
  }

  /** Waits no longer for what is under way. To be called before the store is closed. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#closed.abort();
    await this.#running;
  }

  #begin(run: RunFile): void {
    this.#stop = new AbortController();
    this.#status = { ...emptyStatus(), state: "running", began_at: run.began_at, selected: run.letters.length };
    this.#run = run;
    this.#running = this.#replayAll(run, this.#stop.signal).catch((error: unknown) => {
      this.#status.state = "failed";
      this.#status.error = errorMessage(error);
      this.#options.log.error(`the replay of dead letters failed: ${errorMessage(error)}`);
    });
  }

  async #replayAll(run: RunFile, signal: AbortSignal): Promise<void> {
    const { store, log } = this.#options;
    const changes = new Map<string, DeadLetter | "remove">();
    for (let from = 0; from < run.letters.length && !signal.aborted; from += PART_LETTERS) {
      await this.#replayPart(run, from, changes, signal);
      if (changes.size > 0) await store.change((letter) => changes.get(letterName(letter)) ?? "keep");
      changes.clear();
    }
    if (this.#closed.signal.aborted || (signal.aborted && this.#status.state !== "stopping")) {
      this.#status.state = "stopped";
      return;
    }
    await removeRunFile(this.#path);
    this.#status.state = signal.aborted ? "stopped" : "finished";
    const { delivered, failed, left_out, impossible } = this.#status;
    log.info(signal.aborted ? "the replay of dead letters was stopped" : "dead letters were replayed", {
      ...{ delivered, failed, left_out, impossible },
    });
  }

  /** A part of a run at a time is in memory. */
  async #replayPart(
    run: RunFile,
    from: number,
    changes: Map<string, DeadLetter | "remove">,
    signal: AbortSignal,
  ): Promise<void> {
    const wanted = new Set(run.letters.slice(from, from + PART_LETTERS));
    const letters: DeadLetter[] = [];
    for await (const letter of readLetters(join(this.#options.stateDir, "dead-letters")))
      if (wanted.delete(letterName(letter))) letters.push(letter);
    // What is gone was delivered before the run was cut short.
    this.#status.delivered += wanted.size;
    letters.sort(byPlace);
    for (let at = 0; at < letters.length && !signal.aborted;) {
      // Each time: the configuration may have been reloaded.
      const planner = new ReplayPlanner(this.#options.config(), {
        asItWas: run.as_it_was,
        nowMs: () => this.#options.clock.now(),
      });
      const chunk = chunkOf(letters, at).map((letter) => planner.plan(letter));
      this.#underWay = chunk.map(({ name }) => name);
      const isDone = await this.#replay(`${run.run}.${from}`, chunk, changes);
      if (isDone) at += chunk.length;
      else if (!this.#closed.signal.aborted) await sleep(this.#options.clock, 100, this.#closed.signal);
    }
    this.#underWay = [];
    this.#waitingFor.clear();
  }

  /** Sends a chunk and waits for what becomes of it. False when a sink was stopped meanwhile: then it has to be done again. */
  async #replay(
    run: string,
    chunk: readonly PlannedLetter[],
    changes: Map<string, DeadLetter | "remove">,
  ): Promise<boolean> {
    const { store, clock } = this.#options;
    const ready = chunk.filter(({ outcome }) => outcome === "deliver");
    const refused = new Map<PlannedLetter, { sinkName: string; sinkIdentity: string; reason: string }[]>();
    const bySink = new Map<string, Sending[]>();
    for (const planned of ready)
      for (const sink of planned.sinks) {
        const sendings = bySink.get(sink.name) ?? [];
        bySink.set(sink.name, sendings);
        sendings.push({ planned, sinkName: sink.name, sinkIdentity: sink.identity });
      }
    const done = await Promise.all(
      [...bySink.values()].map((sendings) =>
        this.#send(run, sendings, (sending, reason) => {
          const list = refused.get(sending.planned) ?? [];
          refused.set(sending.planned, list);
          list.push({ sinkName: sending.sinkName, sinkIdentity: sending.sinkIdentity, reason });
        }),
      ),
    );
    if (done.includes(false)) return false;
    const at = formatIsoTime(clock.now());
    const added: DeadLetter[] = [];
    for (const planned of chunk) {
      const { letter, name, outcome, reason, stage, document, destinations } = planned;
      const replays = (letter.replays ?? 0) + 1;
      const refusals = refused.get(planned) ?? [];
      if (outcome !== "deliver") {
        if (outcome === "fails") this.#status.failed++;
        else this.#status[outcome]++;
        this.#note(reason!);
        changes.set(name, { ...letter, replays, ...(outcome === "fails" ? { reason: reason!, stage: stage! } : {}) });
        continue;
      }
      if (refusals.length === 0) {
        this.#status.delivered++;
        changes.set(name, "remove");
        continue;
      }
      this.#status.failed++;
      for (const refusal of refusals) this.#note(refusal.reason);
      // What one sink has and another refuses is from now on a letter of the other one.
      const { stage: _stage, to: _to, destination: _destination, ...rest } = letter;
      const own = refusals.map(({ sinkName, sinkIdentity, reason: why }): DeadLetter => ({
        ...{ ...rest, at, replays, sink: sinkName, sink_identity: sinkIdentity, reason: why },
        ...(document === undefined ? {} : { event: document }),
        ...(destinations?.[sinkName] === undefined ? {} : { destination: destinations[sinkName] }),
      }));
      if (letter.sink !== undefined && own.length === 1) changes.set(name, own[0]!);
      else {
        added.push(...own);
        changes.set(name, "remove");
      }
    }
    if (added.length > 0) await store.append(added);
    return true;
  }

  /** Sends documents to one sink, in order; resolves when all are settled. False when the sink stopped before that. */
  async #send(
    run: string,
    sendings: readonly Sending[],
    onRefused: (sending: Sending, reason: string) => void,
  ): Promise<boolean> {
    const { refusals, clock } = this.#options;
    const { sinkName } = sendings[0]!;
    const runner = this.#options.sink(sinkName);
    if (runner === undefined) return false;
    const groups = new Map<string, Sending[]>();
    for (const sending of sendings) {
      const { id } = replayPartition(run, sending.planned);
      const group = groups.get(id) ?? [];
      groups.set(id, group);
      // One letter of a stage and one of the sink may be of the same event: it goes once, and settles both.
      group.push(sending);
    }
    this.#waitingFor.add(sinkName);
    const settled = [...groups.values()].map(
      (group) =>
        new Promise<boolean>((resolve) => {
          const unique = group.filter(
            (each, i) => group.findIndex((other) => other.planned.letter.id === each.planned.letter.id) === i,
          );
          const partition = replayPartition(run, unique[0]!.planned);
          const batch = encodeReplay(
            partition,
            unique.map(({ planned }) => planned),
            runner.sink.encoding,
            clock.now(),
          );
          refusals.set(batch, (index, reason) => {
            const { id } = unique[index]!.planned.letter;
            for (const sending of group) if (sending.planned.letter.id === id) onRefused(sending, reason);
          });
          const entry = new OutboxEntry(batch, 1, ({ abandoned }) => {
            resolve(!abandoned);
          });
          const progress = new RouteProgress({ position: 0, resume: null });
          // It may have been sent before: by a run that was cut short, or to another sink of this name.
          progress.sentMark = new SentMark(Infinity, Infinity);
          this.#replayed.set(runner, this.replayedTo(runner) + batch.count);
          const pending = progress.begin(batch.count, batch.endPosition, null);
          runner.enqueue(entry, progress, pending, 0, batch.count);
        }),
    );
    runner.flush();
    const all = Promise.all(settled).then((outcomes) => !outcomes.includes(false));
    const outcome = await Promise.race([all, aborted(this.#closed.signal)]);
    this.#waitingFor.delete(sinkName);
    return outcome;
  }

  #note(reason: string): void {
    const { reasons } = this.#status;
    const key = Object.hasOwn(reasons, reason) || Object.keys(reasons).length < MAX_REASONS ? reason : "other reasons";
    (reasons as Record<string, number>)[key] = (reasons[key] ?? 0) + 1;
  }
}

const CHUNK_LETTERS = 500;
/** Letters of a run that are in memory at a time. */
const PART_LETTERS = 10_000;
const MAX_REASONS = 50;

function emptyStatus(): ReplayStatus {
  return {
    ...{ state: "none", began_at: null, selected: 0, delivered: 0, failed: 0, left_out: 0, impossible: 0 },
    ...{ reasons: {}, waiting_for: {}, error: null },
  };
}

function aborted(signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(false);
    else signal.addEventListener("abort", () => resolve(false), { once: true });
  });
}

/** By the input that events came from, and their place in it: sinks that keep their place want them in this order. */
function byPlace(a: DeadLetter, b: DeadLetter): number {
  const [x, y] = [placeOf(a.id), placeOf(b.id)];
  return x.prefix < y.prefix ? -1 : x.prefix > y.prefix ? 1 : x.offset - y.offset || x.subIndex - y.subIndex;
}

function placeOf(id: string): { prefix: string; offset: number; subIndex: number } {
  const parts = id.split(".");
  return { prefix: parts.slice(0, 2).join("."), offset: Number(parts[2] ?? 0), subIndex: Number(parts[3] ?? 0) };
}

/** The next letters; those of one event are not torn apart. */
function chunkOf(letters: readonly DeadLetter[], from: number): DeadLetter[] {
  let to = Math.min(letters.length, from + CHUNK_LETTERS);
  const event = (i: number): string => letters[i]!.id.split(".").slice(0, 3).join(".");
  while (to < letters.length && event(to) === event(to - 1)) to++;
  return letters.slice(from, to);
}
