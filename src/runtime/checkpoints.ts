import type { KnownPartition, Log, ResumePoint } from "../core/component.ts";
import { readCheckpoint, type CheckpointData, type KeptStage } from "../disk/checkpoint-file.ts";
import { adopt, type Identities } from "./adoption.ts";
import { CheckpointWriter, type GatheredCheckpoint } from "./checkpoint-writer.ts";
import type { Clock } from "./clock.ts";
import { loadPartition, savePartition, type PartitionState, type WrittenMark } from "./partition-state.ts";
import { RouteProgress, type FoundBatch } from "./progress.ts";
import { routeKey } from "./route-key.ts";
import { SentMark } from "./sent-mark.ts";

/** A batch for one route, in a record of the journal. */
export interface JournaledRouteBatch extends FoundBatch {
  readonly sequence: number;
  readonly partition: string;
  /** As it was named when the record was written. */
  readonly pipeline: string;
  readonly sink: string;
}

/** What a route's position relies on and the journal has no more. */
export interface JournalGap {
  readonly route: string;
  readonly source: string;
  /** In positions of the partition: bytes of a file. */
  readonly missing: number;
  /** Its input is read again from there; otherwise it is lost. */
  readonly isReadAgain: boolean;
}

/**
 * What the agent knows of every partition and route, in memory, and its copy on disk. Written at most once a second,
 * whole and atomically, and only positions over settled runs of events. `sync` is for what must be on disk first: the
 * id of a new partition.
 */
export class Checkpoints {
  readonly #log: Log;
  readonly #writer: CheckpointWriter;
  readonly #partitions = new Map<string, PartitionState>();
  #pipelines: Readonly<Record<string, string>> = {};
  /** Pipelines by the names that they had before. */
  readonly #renamed = new Map<string, string>();
  /** Of the sources that run, by name. */
  #sourceIdentities: ReadonlyMap<string, string> = new Map();
  /** What the stages of pipelines keep, as JSON, by pipeline; and who says what it is now. */
  readonly #kept = new Map<string, string>();
  readonly #keepers = new Map<string, () => string>();
  /** What was in the journal when positions were written is known. Older versions did not keep it. */
  #knowsJournal = false;

  private constructor(path: string, clock: Clock, log: Log) {
    this.#log = log;
    this.#writer = new CheckpointWriter({ path, clock, log, gather: (isLast) => this.#gather(isLast) });
  }

  static async open(path: string, clock: Clock, log: Log): Promise<Checkpoints> {
    const checkpoints = new Checkpoints(path, clock, log);
    const { data, damage } = await readCheckpoint(path);
    if (damage !== undefined) log.error(damage);
    for (const [id, entry] of Object.entries(data.partitions)) checkpoints.#partitions.set(id, loadPartition(entry));
    for (const [pipeline, stages] of Object.entries(data.stages ?? {}))
      checkpoints.#kept.set(pipeline, JSON.stringify(stages));
    checkpoints.#pipelines = data.pipelines ?? {};
    checkpoints.#knowsJournal = data.knows_journal === true;
    return checkpoints;
  }

  /** Why the last write failed, if it did. */
  get failure(): string | undefined {
    return this.#writer.failure;
  }

  /**
   * Follows sources and pipelines that were renamed. To be called before the sources of a configuration start; their
   * identities are kept for the next time.
   */
  adopt(identities: Identities): void {
    const partitions = Object.fromEntries(
      [...this.#partitions]
        .filter(([, { source }]) => !isOfStages(source))
        .map(([id, state]) => [
          id,
          {
            source: state.source,
            ...(state.sourceIdentity === undefined ? {} : { source_identity: state.sourceIdentity }),
          },
        ]),
    );
    const { sources, pipelines, orphans, ambiguous } = adopt(partitions, this.#pipelines, identities);
    const renamed = new Map<string, string>();
    for (const [id, name] of sources) {
      const state = this.#partitions.get(id)!;
      renamed.set(state.source, name);
      state.source = name;
    }
    for (const [former, name] of renamed)
      this.#log.info(`the source "${former}" is called "${name}" now: it goes on where it was`);
    for (const state of this.#partitions.values()) {
      for (const [route, progress] of [...state.routes]) {
        const bar = route.lastIndexOf("|");
        const name = pipelines.get(route.slice(0, bar));
        if (name === undefined) continue;
        state.routes.delete(route);
        state.routes.set(name + route.slice(bar), progress);
      }
    }
    for (const [former, name] of pipelines) {
      this.#renamed.set(former, name);
      for (const state of this.#partitions.values())
        if (state.source === sourceOfStages(former)) state.source = sourceOfStages(name);
      const kept = this.#kept.get(former);
      if (kept !== undefined) this.#kept.set(name, kept);
      this.#kept.delete(former);
    }
    this.#dropStages(new Set(identities.pipelines.map(({ name }) => name)));
    for (const [former, name] of pipelines)
      this.#log.info(`the pipeline "${former}" is called "${name}" now: it goes on where it was`);
    for (const [former, names] of ambiguous) {
      const list = names.map((name) => `"${name}"`).join(" or ");
      this.#log.warn(
        `checkpoints of a source "${former}" could be those of ${list}: none takes them; see wiretail state show`,
      );
    }
    for (const [former, files] of orphans) {
      this.#log.warn(
        `checkpoints of a source "${former}" are of no source of this configuration; what reads its input now begins where start_at says; see wiretail state show`,
        { files },
      );
    }
    for (const state of this.#partitions.values())
      state.sourceIdentity =
        identities.sources.find(({ name }) => name === state.source)?.identity ?? state.sourceIdentity;
    this.#pipelines = Object.fromEntries(identities.pipelines.map(({ name, identity }) => [name, identity]));
    this.#sourceIdentities = new Map(identities.sources.map(({ name, identity }) => [name, identity]));
  }

  /** What is known of a source's partitions; `routes` are those that its events take at present. */
  known(source: string, routes: readonly string[]): KnownPartition[] {
    const known: KnownPartition[] = [];
    for (const [id, state] of this.#partitions) {
      if (state.source !== source || (state.isForgotten && !isAbandoned(state, routes))) continue;
      const points: ResumePoint[] = [];
      for (const route of routes) {
        const progress = state.routes.get(route);
        if (progress !== undefined) points.push({ position: progress.position, resume: progress.resume });
      }
      const lowest = points.length === 0 ? undefined : Math.min(...points.map((point) => point.position));
      known.push({ id, identity: state.identity, points, lowest });
    }
    return known;
  }

  /**
   * Makes a partition known, with a progress for each route. `ownPosition` is asked for sinks that keep their own.
   * Returns where to begin reading: the lowest place that was not handed to a route's sink yet. Call `sync` before
   * the first event. `marksSent` says which routes keep a mark of what may have been sent.
   */
  open(
    source: string,
    id: string,
    identity: unknown,
    startPosition: number,
    routes: readonly string[],
    ownPosition: (route: string) => ResumePoint | undefined,
    marksSent: (route: string) => boolean = () => false,
  ): number {
    let state = this.#partitions.get(id);
    if (state === undefined) {
      state = {
        ...{ source, sourceIdentity: this.#sourceIdentities.get(source) },
        ...{ identity, routes: new Map<string, RouteProgress>(), isForgotten: false },
      };
      this.#partitions.set(id, state);
    }
    state.identity = identity;
    state.isForgotten = false;
    let lowest = Infinity;
    for (const route of routes) {
      let progress = state.routes.get(route);
      const own = ownPosition(route);
      if (progress === undefined) {
        progress = new RouteProgress(own ?? { position: startPosition, resume: null });
        state.routes.set(route, progress);
      } else if (own !== undefined && own.position > progress.enqueued) {
        // What stages remember is as old as the position, not as what the sink has.
        if (this.#remembers(route)) progress.skipTo(own);
        else progress.advanceTo(own);
      }
      if (marksSent(route)) progress.sentMark ??= new SentMark(undefined, progress.enqueued);
      lowest = Math.min(lowest, progress.readFrom);
    }
    this.touch();
    return lowest === Infinity ? startPosition : lowest;
  }

  progress(id: string, route: string): RouteProgress | undefined {
    return this.#partitions.get(id)?.routes.get(route);
  }

  /**
   * What is in the journal when the agent starts, and not settled, in the order in which it was written. Positions go
   * past it, and back to where something is missing that can be read again. Returns batches that do not count.
   */
  foundInJournal(
    found: readonly JournaledRouteBatch[],
    canReadAgain: (source: string) => boolean,
  ): { released: JournaledRouteBatch[]; gaps: JournalGap[] } {
    const byRoute = new Map<RouteProgress, JournaledRouteBatch[]>();
    for (const batch of found) {
      const progress = this.progressOf(batch);
      if (progress === undefined) continue;
      const batches = byRoute.get(progress);
      if (batches === undefined) byRoute.set(progress, [batch]);
      else batches.push(batch);
    }
    const released: JournaledRouteBatch[] = [];
    const gaps: JournalGap[] = [];
    for (const { source, routes } of this.#partitions.values()) {
      for (const [route, progress] of routes) {
        const batches = byRoute.get(progress) ?? [];
        if (!this.#knowsJournal) {
          progress.trust(batches);
          continue;
        }
        const isReadAgain = canReadAgain(source);
        const recovered = progress.recover(batches, isReadAgain, this.#remembers(route));
        released.push(...recovered.released);
        if (recovered.missing > 0) gaps.push({ route, source, missing: recovered.missing, isReadAgain });
      }
    }
    this.touch();
    return { released, gaps };
  }

  /** What a route has in the journal is given up, in all partitions: its sink gets it from the inputs again. */
  rewind(sinkIdentity: string): void {
    for (const { routes } of this.#partitions.values()) {
      for (const [route, progress] of routes) if (route.endsWith(`|${sinkIdentity}`)) progress.rewind();
    }
    this.touch();
  }

  /** A sink object is gone: what it may have sent is unknown to its successor, also where it knew how that had ended. */
  sinkEnded(sinkIdentity: string): void {
    for (const { routes } of this.#partitions.values())
      for (const [route, progress] of routes) if (route.endsWith(`|${sinkIdentity}`)) progress.sentMark?.inherit();
    this.touch();
  }

  /** Nothing for a sink is in the journal. */
  clearJournal(sinkIdentity: string): void {
    for (const { routes } of this.#partitions.values())
      for (const [route, progress] of routes) if (route.endsWith(`|${sinkIdentity}`)) progress.clearJournal();
    this.touch();
  }

  /** The progress that a batch of the journal belongs to, also where its pipeline was renamed since. */
  progressOf({
    partition,
    pipeline,
    sink,
    start,
    end,
  }: Omit<JournaledRouteBatch, "sequence">): RouteProgress | undefined {
    const routes = this.#partitions.get(partition)?.routes;
    const own =
      routes?.get(routeKey(pipeline, sink)) ?? routes?.get(routeKey(this.#renamed.get(pipeline) ?? pipeline, sink));
    if (own !== undefined || routes === undefined) return own;
    for (const [route, progress] of routes) {
      const covers = progress.journaled.some(({ from, to }) => from.position <= start.position && to >= end.position);
      if (covers && route.endsWith(`|${sink}`)) return progress;
    }
    return undefined;
  }

  /** The lowest settled position of a partition over some routes: what is safely delivered of it. */
  settled(id: string, routes: readonly string[]): number | undefined {
    const state = this.#partitions.get(id);
    if (state === undefined) return undefined;
    let lowest = Infinity;
    for (const route of routes) lowest = Math.min(lowest, state.routes.get(route)?.delivered.position ?? Infinity);
    return lowest === Infinity ? undefined : lowest;
  }

  update(id: string, identity: unknown): void {
    const state = this.#partitions.get(id);
    if (state === undefined) return;
    state.identity = identity;
    this.touch();
  }

  forget(id: string): void {
    const state = this.#partitions.get(id);
    if (state === undefined) return;
    state.isForgotten = true;
    for (const progress of state.routes.values()) progress.forgetAbandoned();
    this.touch();
  }

  /** What the stages of a pipeline kept, last time. */
  keptStages(pipeline: string): readonly KeptStage[] {
    return JSON.parse(this.#kept.get(pipeline) ?? "[]") as KeptStage[];
  }

  /**
   * Asks `save` for what the stages of a pipeline keep, as JSON (a list of KeptStage), whenever positions are gathered
   * to be written: at that moment. Without it what it said last stays.
   */
  keepStages(pipeline: string, save: (() => string) | undefined): void {
    if (save !== undefined) this.#keepers.set(pipeline, save);
    else {
      const last = this.#keepers.get(pipeline);
      if (last !== undefined) this.#kept.set(pipeline, last());
      this.#keepers.delete(pipeline);
    }
    this.touch();
  }

  /** Nothing is kept for a pipeline any more. */
  forgetStages(pipeline: string): void {
    this.#keepers.delete(pipeline);
    if (this.#kept.delete(pipeline)) this.touch();
  }

  /** Whether something may be read of a partition again. */
  isKnown(id: string): boolean {
    return this.#partitions.has(id);
  }

  /** The partitions of what a pipeline's stages made. */
  partitionsOfStages(pipeline: string): string[] {
    const source = sourceOfStages(pipeline);
    return [...this.#partitions].filter(([, state]) => state.source === source).map(([id]) => id);
  }

  #remembers(route: string): boolean {
    const pipeline = route.slice(0, route.lastIndexOf("|"));
    return this.#keepers.has(pipeline) || this.#kept.has(pipeline);
  }

  /** Gives up what stages of pipelines kept that are gone. */
  #dropStages(present: ReadonlySet<string>): void {
    for (const [pipeline] of [...this.#kept]) {
      if (present.has(pipeline)) continue;
      const waiting = this.keptStages(pipeline).reduce((sum, { made }) => sum + (made?.waiting.length ?? 0), 0);
      this.#log.warn(`the pipeline "${pipeline}" is gone: what its stages had gathered is given up`, { waiting });
      this.forgetStages(pipeline);
      for (const id of this.partitionsOfStages(pipeline)) this.forget(id);
    }
  }

  /** Something changed: a write follows within a second. */
  touch(): void {
    this.#writer.touch();
  }

  /** Resolves when all that was said before this call is on disk. Many callers share one write. */
  sync(): Promise<void> {
    return this.#writer.sync();
  }

  /** Writes for the last time. Rejects when that fails. Later changes are not written: the lock may be another's. */
  close(): Promise<void> {
    return this.#writer.close();
  }

  #gather(isLast: boolean): GatheredCheckpoint {
    const data: CheckpointData = { partitions: {}, pipelines: this.#pipelines, knows_journal: true };
    const marks: WrittenMark[] = [];
    for (const [id, state] of this.#partitions) {
      if (state.isForgotten && [...state.routes.values()].every((progress) => progress.isSettled))
        this.#partitions.delete(id);
      else data.partitions[id] = savePartition(state, isLast, marks);
    }
    // At the same moment as the positions: what they pass is in there.
    for (const [pipeline, save] of this.#keepers) this.#kept.set(pipeline, save());
    const written = (): void => {
      for (const each of marks) each.mark.wrote(each.written);
    };
    return { data, stages: new Map(this.#kept), written };
  }
}

/** Some of what was read of it, to its end, came back: it has to be read again. */
function isAbandoned({ routes }: PartitionState, keys: readonly string[]): boolean {
  return keys.some((key) => routes.get(key)?.isAbandoned === true);
}

/** What partitions of a pipeline's stages have for a source: no name of a source in a configuration. */
export function sourceOfStages(pipeline: string): string {
  return `stages:${pipeline}`;
}

function isOfStages(source: string): boolean {
  return source.startsWith("stages:");
}
