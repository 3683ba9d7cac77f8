import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import { DROP, type GatheredEvent, type KeptState, type Stage, type StageContext } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path, setIn } from "../../core/path.ts";
import { parseIsoTime } from "../../core/time.ts";
import { EventKey, shortened } from "../event-key.ts";
import { keptState } from "../kept-state.ts";
import { Positions, type SavedPositions } from "../positions.ts";
import type { JoinConfig } from "./options.ts";

/** An event that waits. */
interface Waiting {
  readonly timeMs: number;
  readonly key: string;
  /** When it came, by the host's clock. */
  readonly sinceMs: number;
  readonly fields: Record<string, unknown>;
}

interface Partner {
  readonly id: string;
  readonly timeMs: number;
  readonly key: string;
  readonly sinceMs: number;
  /** What events get, in the order of the options; undefined or null where it has no such field. */
  readonly values: readonly unknown[];
  /** Some event has it. */
  isTaken: boolean;
}

interface Saved {
  readonly positions: SavedPositions;
  readonly waiting: readonly (readonly [timeMs: number, key: string, fields: Record<string, unknown>])[];
  readonly partners: readonly (readonly [
    id: string,
    timeMs: number,
    key: string,
    values: readonly unknown[],
    isTaken: boolean,
  ])[];
  readonly counts: Readonly<Record<string, number>>;
}

/**
 * Gives events fields of partners that have equal keys and a time near theirs. Nothing is decided before an event has
 * waited for its time, or the input is over: what comes in which order then makes no difference. Each partner goes to
 * one event, the earliest partner to the earliest event.
 */
export class Join implements Stage {
  readonly kept: KeptState;
  readonly #options: JoinConfig;
  readonly #isEvent: (event: LogEvent) => boolean;
  readonly #isPartner: (event: LogEvent) => boolean;
  readonly #eventKey: EventKey;
  readonly #partnerKey: EventKey;
  readonly #eventPaths: readonly Path[];
  readonly #partnerPaths: readonly Path[];
  readonly #id: Path | undefined;
  readonly #time: Path;
  readonly #from: readonly Path[];
  readonly #to: readonly Path[];
  readonly #candidates: Path | undefined;
  readonly #waitMs: number;
  readonly #now: () => number;
  readonly #positions = new Positions();
  /** In the order in which they came. */
  #waiting: Waiting[] = [];
  /** By id, in the order in which they came. */
  readonly #partners = new Map<string, Partner>();
  #unnamed = 0;
  #version = 0;
  readonly #counts = { joined: 0, alone: 0, hurried: 0, forgotten: 0 };

  constructor(options: JoinConfig, { now }: StageContext) {
    this.#options = options;
    this.#isEvent = compilePredicate(parseKql(options.events));
    this.#isPartner = compilePredicate(parseKql(options.partners));
    const keys = Object.entries(options.keys);
    this.#eventKey = new EventKey(keys.map(([ours]) => ours));
    this.#partnerKey = new EventKey(keys.map(([, theirs]) => theirs));
    this.#eventPaths = keys.map(([ours]) => new Path(ours));
    this.#partnerPaths = keys.map(([, theirs]) => new Path(theirs));
    this.#id = options.partner_id === undefined ? undefined : new Path(options.partner_id);
    this.#time = new Path(options.partner_time);
    this.#from = Object.keys(options.fields).map((name) => new Path(name));
    this.#to = Object.values(options.fields).map((name) => new Path(name));
    this.#candidates = options.candidates === undefined ? undefined : new Path(options.candidates);
    this.#waitMs = options.max_wait_seconds * 1000;
    this.#now = now;
    this.kept = keptState<Saved>(
      () => this.#version,
      (isKnown) => this.#save(isKnown),
      (saved) => {
        this.#load(saved);
      },
    );
  }

  enter(partitionId: string): void {
    this.#positions.enter(partitionId);
  }

  apply(event: LogEvent): undefined | typeof DROP {
    const isAgain = this.#positions.isAgain(event);
    if (this.#isPartner(event)) {
      if (!isAgain) this.#remember(event);
      return this.#options.keep_partners ? undefined : DROP;
    }
    if (!this.#isEvent(event)) return undefined;
    const key = keyOf(event, this.#eventKey, this.#eventPaths);
    if (key === undefined) return undefined;
    if (isAgain) return DROP;
    this.#version++;
    if (this.#waiting.length >= this.#options.max_events) {
      this.#counts.hurried++;
      return undefined;
    }
    this.#waiting.push({ timeMs: event.timeMs, key, sinceMs: this.#now(), fields: event.toObject() });
    return DROP;
  }

  finish(nowMs: number, isEnd: boolean): readonly GatheredEvent[] {
    // A clock that is set back must not make anything wait for ever.
    const isOver = (sinceMs: number): boolean => isEnd || Math.abs(nowMs - sinceMs) >= this.#waitMs;
    const due = new Set(this.#waiting.filter(({ sinceMs }) => isOver(sinceMs)));
    const made = due.size === 0 ? [] : this.#decide(due);
    for (const { id, sinceMs } of this.#partners.values()) {
      if (!isOver(sinceMs)) break;
      this.#partners.delete(id);
      this.#version++;
    }
    return made;
  }

  counters(): Readonly<Record<string, number>> {
    const { joined, alone, hurried, forgotten } = this.#counts;
    return {
      waiting_events: this.#waiting.length,
      waiting_partners: this.#partners.size,
      joined_events: joined,
      alone_events: alone,
      hurried_events: hurried,
      forgotten_partners: forgotten,
    };
  }

  #remember(event: LogEvent): void {
    const key = keyOf(event, this.#partnerKey, this.#partnerPaths);
    const time = this.#time.name === "@timestamp" ? event.timeMs : event.get(this.#time);
    const timeMs = typeof time === "string" ? parseIsoTime(time) : typeof time === "number" ? time : NaN;
    if (key === undefined || Number.isNaN(timeMs)) return;
    const given = this.#id === undefined ? undefined : event.get(this.#id);
    const id = given === undefined ? `#${this.#unnamed++}` : `=${shortened(JSON.stringify(given))}`;
    if (this.#partners.has(id)) return;
    this.#version++;
    const values = this.#from.map((path) => structuredClone(event.get(path)));
    this.#partners.set(id, { id, timeMs, key, sinceMs: this.#now(), values, isTaken: false });
    if (this.#partners.size <= this.#options.max_partners) return;
    const [oldest] = this.#partners.keys();
    this.#partners.delete(oldest!);
    this.#counts.forgotten++;
  }

  /** Decides on all that wait, and gives those of them that are due. */
  #decide(due: ReadonlySet<Waiting>): GatheredEvent[] {
    this.#version++;
    const byKey = new Map<string, Partner[]>();
    for (const partner of this.#partners.values()) {
      const equal = byKey.get(partner.key);
      if (equal === undefined) byKey.set(partner.key, [partner]);
      else equal.push(partner);
    }
    for (const equal of byKey.values()) equal.sort((a, b) => a.timeMs - b.timeMs || (a.id < b.id ? -1 : 1));
    const { earlier_ms: earlierMs, later_ms: laterMs } = this.#options;
    const reserved = new Set<Partner>();
    const made: GatheredEvent[] = [];
    for (const event of [...this.#waiting].sort((a, b) => a.timeMs - b.timeMs)) {
      const equal = byKey.get(event.key) ?? [];
      let candidates = 0;
      let partner: Partner | undefined;
      for (let i = firstFrom(equal, event.timeMs - earlierMs); i < equal.length; i++) {
        if (equal[i]!.timeMs > event.timeMs + laterMs) break;
        candidates++;
        if (!equal[i]!.isTaken && !reserved.has(equal[i]!)) partner ??= equal[i];
      }
      if (partner !== undefined) reserved.add(partner);
      if (!due.has(event)) continue;
      if (partner === undefined) this.#counts.alone++;
      else {
        partner.isTaken = true;
        this.#counts.joined++;
        this.#give(event.fields, partner, candidates);
      }
      made.push({ timeMs: event.timeMs, fields: event.fields });
    }
    this.#waiting = this.#waiting.filter((event) => !due.has(event));
    return made;
  }

  #give(fields: Record<string, unknown>, { values }: Partner, candidates: number): void {
    for (const [i, { parts }] of this.#to.entries())
      if (values[i] !== undefined && values[i] !== null) setIn(fields, parts, 0, values[i]);
    if (this.#candidates !== undefined) setIn(fields, this.#candidates.parts, 0, candidates);
  }

  #save(isKnown: (partitionId: string) => boolean): Saved {
    return {
      positions: this.#positions.save(isKnown),
      waiting: this.#waiting.map(({ timeMs, key, fields }) => [timeMs, key, fields]),
      partners: [...this.#partners.values()].map(({ id, timeMs, key, values, isTaken }) => [
        ...([id, timeMs, key, values, isTaken] as const),
      ]),
      counts: { ...this.#counts, unnamed: this.#unnamed },
    };
  }

  /** What waited waits anew: what it waits for may have to be read again first. */
  #load({ positions, waiting, partners, counts }: Saved): void {
    const sinceMs = this.#now();
    const events = waiting.map(([timeMs, key, fields]) => ({ timeMs, key, sinceMs, fields }));
    const { unnamed = 0, ...others } = counts;
    const known = partners.map(([id, timeMs, key, values, isTaken]) => ({ id, timeMs, key, sinceMs, values, isTaken }));
    this.#positions.load(positions);
    this.#waiting = events;
    for (const partner of known) this.#partners.set(partner.id, partner);
    this.#unnamed = unnamed;
    Object.assign(this.#counts, others);
  }
}

/** Equal for equal values of all the fields; undefined when the event lacks one. */
function keyOf(event: LogEvent, key: EventKey, paths: readonly Path[]): string | undefined {
  for (const path of paths) if ((event.get(path) ?? undefined) === undefined) return undefined;
  return shortened(key.of(event) ?? "");
}

/** The first of those, which are in the order of their times, that is not before a time. */
function firstFrom(partners: readonly Partner[], timeMs: number): number {
  let [low, high] = [0, partners.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (partners[middle]!.timeMs < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
