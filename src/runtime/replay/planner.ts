import { createHash } from "node:crypto";
import { LogEvent, type Destinations, type Envelope } from "../../core/event.ts";
import { getIn, Path } from "../../core/path.ts";
import { parseIsoTime } from "../../core/time.ts";
import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import { letterName, type DeadLetter } from "../../disk/dead-letters/letter.ts";
import type { HostConfig, PipelineConfig, SinkConfig } from "../config/types.ts";
import { documentEvent } from "../document-event.ts";
import { StageChain } from "../stage-chain.ts";

/** What a replay would make of a letter. */
export interface PlannedLetter {
  readonly letter: DeadLetter;
  readonly name: string;
  /**
   * `deliver`: to `sinks`. `fails`: a stage refuses it again. `left_out`: a filter, or the pipeline's `when`, leaves it
   * out now. `impossible`: something that it needs is gone. Only `deliver` can take it out of the dead letters.
   */
  readonly outcome: "deliver" | "fails" | "left_out" | "impossible";
  /** Why, where it is not `deliver`. */
  readonly reason: string | undefined;
  /** The stage that refuses it or leaves it out. */
  readonly stage: string | undefined;
  /** From its original line through the pipeline's present stages, or the document as it was. */
  readonly how: "through_pipeline" | "as_it_was";
  readonly sinks: readonly SinkConfig[];
  /** Where in these sinks, where that is not the sink's own place. */
  readonly destinations: Destinations | undefined;
  readonly id: EventId;
  readonly timeMs: number;
  /** The document; undefined where there is none (then `text` is what the sink gets). */
  readonly document: Readonly<Record<string, unknown>> | undefined;
}

/** An event's id in its parts: `<partition>.<pipeline>.<offset>[.<sub-index>]`. */
export interface EventId {
  readonly prefix: string;
  readonly offset: number;
  readonly subIndex: number;
}

export function parseEventId(id: string): EventId | undefined {
  const match = /^([^.]+\.[^.]+\.)(\d{1,16})(?:\.(\d{1,5}))?$/.exec(id);
  return match === null
    ? undefined
    : { prefix: match[1]!, offset: Number(match[2]), subIndex: Number(match[3] ?? "0") };
}

interface Prepared {
  readonly config: PipelineConfig;
  readonly chain: StageChain;
  readonly when: ((event: LogEvent) => boolean) | undefined;
}

const SEVERAL =
  "the pipeline makes several events of it, and a replay sends one: send its line through the source again";

/** Says what becomes of dead letters with a configuration, and makes the documents that a replay sends. */
export class ReplayPlanner {
  readonly #config: HostConfig;
  readonly #asItWas: boolean;
  readonly #nowMs: () => number;
  readonly #pipelines = new Map<string, Prepared>();

  /** `asItWas`: send the documents that sinks refused without taking them through the pipeline again. */
  constructor(config: HostConfig, options: { readonly asItWas: boolean; readonly nowMs: () => number }) {
    this.#config = config;
    this.#asItWas = options.asItWas;
    this.#nowMs = options.nowMs;
  }

  plan(letter: DeadLetter): PlannedLetter {
    const name = letterName(letter);
    const id = parseEventId(letter.id) ?? { prefix: `${hash(letter.id)}.`, offset: 0, subIndex: 0 };
    const timeMs = timeOf(letter);
    const base = {
      letter,
      name,
      id,
      timeMs,
      stage: undefined,
      sinks: [],
      destinations: undefined,
      document: undefined,
    };
    const pipeline = this.#pipeline(letter.pipeline);
    const original = originalOf(letter);
    const isThrough = letter.sink === undefined || (!this.#asItWas && original !== undefined && pipeline !== undefined);
    const how = isThrough ? "through_pipeline" : "as_it_was";
    const impossible = (reason: string): PlannedLetter => ({ ...base, how, outcome: "impossible", reason });
    if (isThrough && pipeline === undefined)
      return impossible(`there is no pipeline "${letter.pipeline}" any more: name one so, or purge the letter`);
    if (isThrough && original === undefined) return impossible("its original line is not known");
    const sinks = this.#sinksOf(letter, pipeline?.config);
    if (sinks.length === 0) return impossible(`none of its sinks (${sinkNames(letter)}) is there any more`);
    if (!isThrough) {
      const document = typeof letter.event === "object" && letter.event !== null ? letter.event : undefined;
      if (document === undefined && letter.text === undefined) return impossible("its document is not known");
      const { destination } = letter;
      return {
        ...{ ...base, how, outcome: "deliver", reason: undefined, sinks, document: document as never },
        destinations: destination === undefined ? undefined : { [sinks[0]!.name]: destination },
      };
    }
    const { routed, ...result } = this.#throughPipeline(letter, original!, id, timeMs, pipeline!);
    const left = sinks.filter(({ name: sink }) => routed?.includes(sink) !== false);
    if (left.length === 0) {
      const reason = `it is routed to other sinks now (${routed!.join(", ")})`;
      return { ...base, how, outcome: "left_out", reason };
    }
    return { ...base, how, ...result, sinks: left };
  }

  #throughPipeline(
    letter: DeadLetter,
    original: string,
    id: EventId,
    timeMs: number,
    { chain, when }: Prepared,
  ): Pick<PlannedLetter, "outcome" | "reason" | "stage" | "document" | "timeMs" | "destinations"> & {
    readonly routed: readonly string[] | undefined;
  } {
    const make = letter.is_document === true ? documentEvent : lineEvent;
    const event = make(original, timeMs, id.offset, envelopeOf(letter), id.subIndex);
    const flags = getIn(letter.event, ["log", "flags"], 0);
    if (Array.isArray(flags)) event.set(FLAGS, flags);
    const none = { document: undefined, timeMs, routed: undefined, destinations: undefined };
    if (when !== undefined && !when(event))
      return { ...none, outcome: "left_out", reason: "the pipeline's own condition leaves it out", stage: undefined };
    const before = chain.steps.map(({ counts }) => counts.dropped);
    let failure: { readonly stage: string; readonly reason: string } | undefined;
    const left = chain.run([event], ({ subIndex }, stage, reason) => {
      // Where a stage makes several events of one, the letter is about one of them.
      if (subIndex === id.subIndex) failure = { stage: stage.label, reason };
    });
    if (failure !== undefined) return { ...none, outcome: "fails", reason: failure.reason, stage: failure.stage };
    const kept = left.find(({ subIndex }) => subIndex === id.subIndex);
    if (kept !== undefined) {
      return {
        ...{ outcome: "deliver", reason: undefined, stage: undefined },
        ...{ document: kept.toObject(), timeMs: kept.timeMs, routed: kept.sinks },
        destinations: kept.destinations,
      };
    }
    if (left.some(({ subIndex }) => subIndex !== id.subIndex) && id.subIndex === 0)
      return { ...none, ...{ outcome: "impossible", stage: undefined, reason: SEVERAL } };
    const stage = chain.steps.find(({ counts }, i) => counts.dropped > before[i]!)?.label;
    return { ...none, outcome: "left_out", reason: `the stage ${stage ?? "?"} leaves it out`, stage };
  }

  #pipeline(name: string): Prepared | undefined {
    const known = this.#pipelines.get(name);
    if (known !== undefined) return known;
    const config = this.#config.pipelines.find((each) => each.name === name);
    if (config === undefined) return undefined;
    // Not those of the running pipeline: its counts say what came from sources.
    const chain = new StageChain(config.stages, this.#nowMs, { isReplay: true });
    const when = config.when === undefined ? undefined : compilePredicate(parseKql(config.when), { now: this.#nowMs });
    const prepared = { config, chain, when };
    this.#pipelines.set(name, prepared);
    return prepared;
  }

  /** The sinks that an event did not reach: by what they are, or by name where that changed. */
  #sinksOf(letter: DeadLetter, pipeline: PipelineConfig | undefined): SinkConfig[] {
    const { sinks } = this.#config;
    const find = (name: string, identity: string | undefined): SinkConfig | undefined =>
      sinks.find((sink) => sink.identity === identity) ?? sinks.find((sink) => sink.name === name);
    if (letter.sink !== undefined) {
      const sink = find(letter.sink, letter.sink_identity);
      return sink === undefined ? [] : [sink];
    }
    const present = (pipeline?.to ?? []).map((name) => sinks.find((sink) => sink.name === name)!);
    if (letter.to === undefined) return present;
    const wanted = new Set(Object.entries(letter.to).map(([name, identity]) => find(name, identity)));
    return present.filter((sink) => wanted.has(sink));
  }
}

const FLAGS = new Path("log.flags");

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}

function timeOf(letter: DeadLetter): number {
  for (const text of [letter.time, letter.at]) {
    const ms = parseIsoTime(text);
    if (!Number.isNaN(ms)) return ms;
  }
  return 0;
}

/** The line as it was read, where the letter or its document has it. */
function originalOf(letter: DeadLetter): string | undefined {
  if (letter.original !== undefined) return letter.original;
  const kept = getIn(letter.event, ["event", "original"], 0);
  return typeof kept === "string" ? kept : undefined;
}

const lineEvent: typeof documentEvent = (text, timeMs, offset, envelope, subIndex) =>
  new LogEvent(text, timeMs, offset, envelope, subIndex);

/** Letters of version 0.1.0 do not say it: then the fields that every source gives are taken from the document. */
function envelopeOf(letter: DeadLetter): Envelope {
  const given = letter.envelope ?? {};
  const names = letter.envelope === undefined ? ["host.name", "ecs.version", "log.file.path"] : Object.keys(given);
  const pairs = names
    .map(
      (name) => [name, letter.envelope === undefined ? getIn(letter.event, name.split("."), 0) : given[name]] as const,
    )
    .filter(([, value]) => value !== undefined);
  const hasOffset = letter.envelope === undefined && getIn(letter.event, ["log", "offset"], 0) !== undefined;
  const offset = letter.offset_field ?? (hasOffset ? "log.offset" : undefined);
  return {
    paths: pairs.map(([name]) => new Path(name)),
    values: pairs.map(([, value]) => value),
    offsetPath: offset === undefined ? undefined : new Path(offset),
  };
}

function sinkNames(letter: DeadLetter): string {
  return letter.sink ?? Object.keys(letter.to ?? {}).join(", ");
}
