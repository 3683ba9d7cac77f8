import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { LineBatch, Partition } from "../core/batch.ts";
import type { GatheredEvent, Log, Stage } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import type { Envelope, LogEvent } from "../core/event.ts";
import type { KeptStage } from "../disk/checkpoint-file.ts";
import { sourceOfStages, type Checkpoints } from "./checkpoints.ts";
import { sleep, type Clock } from "./clock.ts";
import type { StageConfig } from "./config/types.ts";
import type { Route } from "./pipeline-runner.ts";
import { madeEvent } from "./sample-events.ts";
import type { ChainStage } from "./stage-chain.ts";

/** Events that stage `index` of a chain made, as a batch of their own partition. */
export interface MadeBatch {
  readonly index: number;
  /** Without lines: only what is said about positions. */
  readonly batch: LineBatch;
  readonly events: LogEvent[];
}

export interface KeptStagesOptions {
  readonly pipeline: string;
  readonly steps: readonly ChainStage[];
  readonly configs: readonly StageConfig[];
  readonly routes: readonly Route[];
  readonly envelope: Pick<Envelope, "paths" | "values">;
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly log: Log;
  /** Undefined, or resolves when there is room for more. */
  readonly room: () => Promise<void> | undefined;
  readonly process: (made: MadeBatch) => void;
}

/** A stage that remembers, and what it made that not every sink has. */
interface Keeper {
  readonly index: number;
  readonly stage: Stage;
  readonly config: StageConfig;
  savedVersion: number | undefined;
  savedState: string;
  made: Made | undefined;
}

interface Made {
  partition: Partition;
  next: number;
  waiting: (readonly [number: number, timeMs: number, fields: GatheredEvent["fields"]])[];
  /** Those before were handed on. */
  handed: number;
}

/**
 * What the stages of a pipeline remember, kept with the checkpoints: the state of all events up to where the inputs were
 * read, written together with positions that are never further on. After a crash events come again from those positions,
 * and a stage knows by their places which of them are in its state already.
 *
 * What a stage makes of events that it gathered (`finish`) is input of its own: a partition in which it is numbered. It
 * is on disk, and gone from the state, before the first sink is given it, and stays there until all have it. So it
 * goes out with the same content and the same ids however often the agent is killed.
 */
export class KeptStages {
  readonly #options: KeptStagesOptions;
  readonly #keepers: readonly Keeper[];
  #isBegun = false;
  #isRetired = false;
  #ticking: Promise<void> | undefined;

  private constructor(options: KeptStagesOptions, keepers: readonly Keeper[]) {
    this.#options = options;
    this.#keepers = keepers;
  }

  /** Undefined when no stage remembers. */
  static of(options: KeptStagesOptions): KeptStages | undefined {
    const keepers = options.steps.flatMap(({ stage }, index): Keeper[] =>
      stage.kept === undefined
        ? []
        : [
            {
              ...{ index, stage, config: options.configs[index]!, savedVersion: undefined, savedState: "null" },
              made: undefined,
            },
          ],
    );
    return keepers.length === 0 ? undefined : new KeptStages(options, keepers);
  }

  /** Takes up what was kept. Before any event comes. */
  begin(): void {
    const { checkpoints, pipeline } = this.#options;
    const left = [...checkpoints.keptStages(pipeline)];
    const take = (fits: (kept: KeptStage) => boolean): KeptStage | undefined => {
      const at = left.findIndex(fits);
      return at < 0 ? undefined : left.splice(at, 1)[0];
    };
    const without: Keeper[] = [];
    for (const keeper of this.#keepers) {
      const { definition, options } = keeper.config;
      const own = take(({ type, options: its }) => type === definition.type && isDeepStrictEqual(its, plain(options)));
      if (own === undefined) without.push(keeper);
      else if (this.#load(keeper.stage, own)) keeper.made = this.#madeOf(own);
    }
    // Those that were changed go on with the numbers of what they were, and give what that had gathered.
    for (const keeper of without) {
      const former = take(({ type }) => type === keeper.config.definition.type);
      if (former === undefined) continue;
      keeper.made = this.#madeOf(former);
      this.#giveOut(keeper, former);
    }
    for (const kept of left) {
      const keeper = this.#keepers.find(({ config }) => config.definition.type === kept.type);
      if (keeper !== undefined && kept.made !== undefined) {
        this.#giveOut(keeper, kept);
        for (const [, timeMs, fields] of kept.made.waiting) this.#add(keeper, { timeMs, fields });
      } else if (kept.made !== undefined) {
        const { length: waiting } = kept.made.waiting;
        this.#options.log.warn(`a stage ${kept.type} is gone: what it had gathered is given up`, { waiting });
      }
    }
    for (const keeper of this.#keepers) if (keeper.stage.finish !== undefined) this.#open(keeper);
    const used = new Set(this.#keepers.map(({ made }) => made?.partition.id));
    for (const id of checkpoints.partitionsOfStages(pipeline)) if (!used.has(id)) checkpoints.forget(id);
    this.#isBegun = true;
    checkpoints.keepStages(pipeline, () => this.#save());
  }

  /** Looks for what is finished, and hands it on. */
  tick(): void {
    this.#ticking ??= this.#handOn(false).finally(() => {
      this.#ticking = undefined;
    });
  }

  /** The end of all input. Resolves when all is handed on, or the signal aborts. */
  async finish(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#isRetired) {
      await this.#ticking;
      await this.#handOn(true, signal);
      if (this.#keepers.every(({ made }) => made === undefined || made.handed === made.next)) return;
      await sleep(this.#options.clock, RETRY_MS, signal);
    }
  }

  /** Hands nothing on any more; what is kept is for a successor. */
  retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    if (this.#isBegun) this.#options.checkpoints.keepStages(this.#options.pipeline, undefined);
  }

  async #handOn(isEnd: boolean, signal?: AbortSignal): Promise<void> {
    const { checkpoints, clock, log } = this.#options;
    for (const keeper of this.#keepers) {
      if (!this.#isBegun || this.#isRetired) return;
      try {
        for (const made of keeper.stage.finish?.(clock.now(), isEnd) ?? []) this.#add(keeper, made);
        const { made } = keeper;
        if (made === undefined || made.handed === made.next) continue;
        const upTo = made.next;
        // What goes out must be what a restart would send.
        await checkpoints.sync();
        await this.#process(keeper, made, upTo, signal);
      } catch (error) {
        // Checkpoints say themselves when they cannot be written; it is tried again with the next tick.
        if (checkpoints.failure === undefined)
          log.error(`what stage ${keeper.index + 1} made cannot go on: ${errorMessage(error)}`);
        return;
      }
    }
  }

  async #process(keeper: Keeper, made: Made, upTo: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, room, process } = this.#options;
    while (made.handed < upTo) {
      await room();
      // The wait may have been long.
      if (this.#isRetired || signal?.aborted === true) return;
      const first = made.waiting.findIndex(([number]) => number >= made.handed);
      const part = first < 0 ? [] : made.waiting.slice(first, first + AT_A_TIME).filter(([number]) => number < upTo);
      const end = part.length === 0 ? upTo : part.at(-1)![0] + 1;
      made.handed = end;
      if (part.length === 0) return;
      const { partition } = made;
      const events = part.map(([number, timeMs, fields]) => madeEvent({ timeMs, fields }, number, partition.envelope));
      const none = new Int32Array(0);
      const byteLength = events.reduce((sum, { line }) => sum + line.length, 0);
      const batch: LineBatch = {
        ...{ partition, count: events.length, text: "", starts: none, ends: none, byteLength, flags: undefined },
        offsets: Float64Array.from(part, ([number]) => number),
        ...{ endPosition: end, resume: null, readAtMs: clock.now() },
      };
      process({ index: keeper.index, batch, events });
    }
  }

  #add(keeper: Keeper, { timeMs, fields }: GatheredEvent): void {
    keeper.made ??= this.#newMade();
    keeper.made.waiting.push([keeper.made.next++, timeMs, fields]);
  }

  #open(keeper: Keeper): void {
    const { checkpoints, pipeline, routes } = this.#options;
    const made = (keeper.made ??= this.#newMade());
    const { id } = made.partition;
    const find = (key: string): Route => routes.find((route) => route.key === key)!;
    made.handed = checkpoints.open(
      ...([sourceOfStages(pipeline), id, { stage: keeper.config.definition.type }, made.next] as const),
      routes.map(({ key }) => key),
      (key) => find(key).runner.sink.position?.(id, pipeline),
      (key) => find(key).runner.sink.asksWhatArrived === true,
    );
  }

  #newMade(): Made {
    return { partition: this.#partition(randomBytes(12).toString("base64url")), next: 0, waiting: [], handed: 0 };
  }

  #madeOf({ made }: KeptStage): Made | undefined {
    if (made === undefined) return undefined;
    return { partition: this.#partition(made.partition), next: made.next, waiting: [...made.waiting], handed: 0 };
  }

  #partition(id: string): Partition {
    const { pipeline, envelope } = this.#options;
    return { id, source: sourceOfStages(pipeline), envelope: { ...envelope, offsetPath: undefined } };
  }

  #load(stage: Stage, { type, state }: KeptStage): boolean {
    try {
      stage.kept!.load(state);
      return true;
    } catch (error) {
      this.#options.log.error(`what the stage ${type} had gathered cannot be read and is lost: ${errorMessage(error)}`);
      return false;
    }
  }

  /** What a stage with other options had gathered is finished as it is. */
  #giveOut(keeper: Keeper, kept: KeptStage): void {
    const { clock, log } = this.#options;
    const { definition, baseDir } = keeper.config;
    if (kept.made === undefined) return;
    try {
      const former = definition.create(kept.options, { now: () => clock.now(), baseDir, log });
      if (!this.#load(former, kept)) return;
      for (const made of former.finish?.(clock.now(), true) ?? []) this.#add(keeper, made);
      former.close?.();
      log.info(`the stage ${kept.type} was changed: what it had gathered goes out as it is`);
    } catch (error) {
      log.error(`what the stage ${kept.type} had gathered is lost: ${errorMessage(error)}`);
    }
  }

  #save(): string {
    const { checkpoints, routes } = this.#options;
    const isKnown = (id: string): boolean => checkpoints.isKnown(id);
    const parts = this.#keepers.map((keeper) => {
      const { stage, config, made } = keeper;
      const kept = stage.kept!;
      if (kept.version !== keeper.savedVersion) {
        keeper.savedState = JSON.stringify(kept.save(isKnown));
        keeper.savedVersion = kept.version;
      }
      let text = `{"type":${JSON.stringify(config.definition.type)},"options":${JSON.stringify(config.options)},"state":${keeper.savedState}`;
      if (made !== undefined) {
        let settled = made.next;
        for (const { key } of routes)
          settled = Math.min(settled, checkpoints.progress(made.partition.id, key)?.position ?? 0);
        const first = made.waiting.findIndex(([number]) => number >= settled);
        if (first !== 0) made.waiting = first < 0 ? [] : made.waiting.slice(first);
        const { partition, next, waiting } = made;
        text += `,"made":${JSON.stringify({ partition: partition.id, next, waiting })}`;
      }
      return text + "}";
    });
    return `[${parts.join(",")}]`;
  }
}

/** As it is after it was written and read. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

const AT_A_TIME = 500;
const RETRY_MS = 1000;
