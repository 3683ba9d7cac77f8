import type { Log } from "../../core/component.ts";
import { errorMessage, WiretailError } from "../../core/error.ts";
import { secretValues } from "../config/redact.ts";
import type { HostConfig } from "../config/types.ts";
import { sleep, type Clock } from "../clock.ts";
import type { PipelineRunner } from "../pipeline-runner.ts";
import type { SinkRunner } from "../sink-runner.ts";
import type { SourceRunner } from "../source-runner.ts";
import { Spread, TapBudget } from "./budget.ts";
import { eventOf, PipelineTap, type EventViewer } from "./pipeline-tap.ts";
import { allPoints, pointsNamed, pointsOf, type FoundPoint, type Tappable } from "./points.ts";
import type { TapPoint, TapRequest, TapStart } from "./protocol.ts";
import { tapOfSink } from "./sink-tap.ts";
import { Tap } from "./tap.ts";

/** Who reads a tap: lines of JSON are written to it. */
export interface TapReader {
  /** What was written and not taken yet. */
  readonly bufferedBytes: number;
  write(text: string): void;
  end(): void;
}

export interface TapsOptions {
  readonly graph: () => Tappable;
  readonly config: () => HostConfig;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/**
 * The taps of an agent. While there is none, nothing is attached to anything: sources, pipelines and sinks ask one
 * variable a batch. All taps share one budget of time, and hold no more than a frame of events each.
 */
export class Taps {
  readonly #options: TapsOptions;
  readonly #open = new Map<Tap, TapReader>();
  readonly #stop = new AbortController();
  #isRunning = false;
  #known: { readonly config: HostConfig; readonly secrets: readonly string[] } | undefined;
  #spread: Spread | undefined;
  #attached: { readonly sources: SourceRunner[]; readonly pipelines: PipelineRunner[]; readonly sinks: SinkRunner[] } =
    NOTHING;

  constructor(options: TapsOptions) {
    this.#options = options;
  }

  /** All points of what runs now. */
  get points(): TapPoint[] {
    return allPoints(this.#options.graph()).map(({ name, kind }) => ({ name, kind }));
  }

  /**
   * Opens a tap: gives what begins it, and that gives what ends it. Throws WiretailError for points that are not there
   * and queries that do not parse.
   */
  open(request: TapRequest): (reader: TapReader) => () => void {
    if (this.#open.size >= MAX_TAPS)
      throw new WiretailError("WT_USAGE", `${MAX_TAPS} taps are open already: end one first`);
    const clean = (text: string): string =>
      this.#secrets().reduce((left, secret) => (left.includes(secret) ? left.replaceAll(secret, "***") : left), text);
    const { clock, random, graph } = this.#options;
    const tap = new Tap({ request, clock, random, clean });
    const points = pointsOf(tap.points, allPoints(graph()));
    return (reader) => {
      const start: TapStart = {
        type: "start",
        points: points.map(({ name, kind }) => ({ name, kind })),
        ...{ at: tap.at, max_per_second: tap.maxPerSecond },
      };
      reader.write(JSON.stringify(start) + "\n");
      this.#open.set(tap, reader);
      this.#attach();
      if (!this.#isRunning) void this.#run();
      return () => {
        if (this.#open.delete(tap)) this.#attach();
      };
    };
  }

  /** Ends all taps. */
  close(): void {
    this.#stop.abort();
    for (const reader of this.#open.values()) reader.end();
    this.#open.clear();
    this.#attach();
  }

  /** Ten frames a second, while there are taps. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let frames = 1; this.#open.size > 0 && !this.#stop.signal.aborted; frames++) {
      await sleep(this.#options.clock, FRAME_MS, this.#stop.signal);
      for (const [tap, reader] of this.#open) {
        const line = tap.frame(reader.bufferedBytes < MAX_BUFFERED_BYTES);
        if (line !== undefined) reader.write(line);
        if (!tap.isDone) continue;
        this.#open.delete(tap);
        reader.end();
        this.#attach();
      }
      // What a reload, or reading again, put in the place of others.
      if (frames % 5 === 0) this.#attach();
    }
    this.#isRunning = false;
  }

  /** Hangs the taps on what runs now, and takes them off what nobody taps. */
  #attach(): void {
    const before = this.#attached;
    const points = this.#open.size === 0 ? [] : allPoints(this.#options.graph());
    const wanted = [...this.#open.keys()].map((tap) => ({
      tap,
      points: tap.points.length === 0 ? pointsOf([], points) : tap.points.flatMap((name) => pointsNamed(name, points)),
    }));
    const now = points.length === 0 ? NOTHING : attach(wanted, (this.#spread ??= this.#makeSpread()));
    for (const each of before.sources) if (!now.sources.includes(each)) each.tap = undefined;
    for (const each of before.sinks) if (!now.sinks.includes(each)) each.tap = undefined;
    for (const each of before.pipelines) {
      if (now.pipelines.includes(each)) continue;
      each.tap = undefined;
      each.chain.watcher = undefined;
    }
    this.#attached = now;
  }

  #makeSpread(): Spread {
    const { clock, random, log } = this.#options;
    const nowMs = (): number => clock.monotonicMs();
    return new Spread(new TapBudget(nowMs), nowMs, random, (error) => {
      log.error(`a tap failed; please report: ${errorMessage(error)}`);
    });
  }

  /** The present configuration's, as they stand in JSON, the longest first. */
  #secrets(): readonly string[] {
    const config = this.#options.config();
    if (this.#known?.config !== config) {
      const values = [...config.sources, ...config.sinks].flatMap(secretValues);
      const texts = values.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]);
      this.#known = { config, secrets: [...new Set(texts)].sort((a, b) => b.length - a.length) };
    }
    return this.#known.secrets;
  }
}

/** Makes one tap of all that is wanted of a runner, and hangs it on. */
function attach(
  wanted: readonly { readonly tap: Tap; readonly points: readonly FoundPoint[] }[],
  spread: Spread,
): { sources: SourceRunner[]; pipelines: PipelineRunner[]; sinks: SinkRunner[] } {
  const ofSources = new Map<SourceRunner, EventViewer[]>();
  const ofSinks = new Map<SinkRunner, { readonly tap: Tap; readonly name: string }[]>();
  const ofPipelines = new Map<
    PipelineRunner,
    { passed: Map<number, EventViewer[]>; dropped: Map<number, EventViewer[]> }
  >();
  for (const { tap, points } of wanted) {
    for (const point of new Set(points)) {
      if (point.kind === "source") add(ofSources, point.source, tap.viewer(point.name, false));
      else if (point.kind === "sink") add(ofSinks, point.sink, { tap, name: point.name });
      else {
        const { pipeline } = point;
        let viewers = ofPipelines.get(pipeline);
        if (viewers === undefined) ofPipelines.set(pipeline, (viewers = { passed: new Map(), dropped: new Map() }));
        const viewer = tap.viewer(point.name, true);
        const stages = pipeline.chain.steps.length;
        if (point.kind === "stage" && tap.at === "dropped") add(viewers.dropped, point.index, viewer);
        else if (point.kind === "stage") add(viewers.passed, point.index + (tap.at === "out" ? 1 : 0), viewer);
        else if (tap.at === "dropped") for (let i = 0; i < stages; i++) add(viewers.dropped, i, viewer);
        else add(viewers.passed, tap.at === "out" ? stages : 0, viewer);
      }
    }
  }
  for (const [source, viewers] of ofSources) {
    source.tap = (batch) => {
      const skipped = spread.look(batch.count, (indexes) => {
        const events = indexes.flatMap((i) => eventOf(batch, i));
        for (const viewer of viewers) viewer.see(events, "");
      });
      if (skipped > 0) for (const viewer of viewers) viewer.skip(skipped);
    };
  }
  for (const [pipeline, viewers] of ofPipelines) {
    const tap = new PipelineTap(pipeline, viewers, spread);
    pipeline.tap = tap.see;
    pipeline.chain.watcher = pipeline.chain.remembers ? tap : undefined;
  }
  for (const [sink, taps] of ofSinks) {
    sink.tap = tapOfSink(
      sink.sink.encoding,
      spread,
      (documents) => {
        for (const { tap, name } of taps) tap.seeAnswers(name, documents);
      },
      (count) => {
        for (const { tap } of taps) tap.skip(count);
      },
    );
  }
  return { sources: [...ofSources.keys()], pipelines: [...ofPipelines.keys()], sinks: [...ofSinks.keys()] };
}

function add<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

const NOTHING: { sources: SourceRunner[]; pipelines: PipelineRunner[]; sinks: SinkRunner[] } = {
  ...{ sources: [], pipelines: [], sinks: [] },
};
const MAX_TAPS = 16;
const FRAME_MS = 100;
/** A reader that is further behind gets counts only, when it has caught up. */
const MAX_BUFFERED_BYTES = 256 * 1024;
