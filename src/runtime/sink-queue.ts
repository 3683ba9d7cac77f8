import type { Slice, SinkBatch } from "../core/batch.ts";
import type { OutboxEntry } from "./outbox.ts";
import type { PendingBatch, RouteProgress } from "./progress.ts";

/** A run of documents of one outbox entry that one sink has to settle, and whom to tell. */
export interface QueuedSlice extends Slice {
  readonly entry: OutboxEntry;
  readonly progress: RouteProgress;
  readonly pending: PendingBatch;
  /** Order of arrival over all lanes of the sink. */
  readonly sequence: number;
  /** By the clock that is never set. */
  readonly enqueuedAtMs: number;
  /** When it was refused for an unknown reason first, since it was sent first; by the same clock. */
  readonly unknownSinceMs?: number;
}

/** What is sent in one call, with what is needed to settle it. `slices` is what the sink sees, too. */
export interface Shipment extends SinkBatch {
  readonly slices: readonly QueuedSlice[];
  /** What of `slices` is not settled, once that is less than all: the rest may be gone from memory. */
  unsettled?: readonly QueuedSlice[];
  /** Calls made for it so far. */
  attempts: number;
  /** When it is to be sent, and not before this; by the clock that is never set (milliseconds). */
  dueAtMs: number;
  /** With others that are due, it may go from this time on. */
  joinsAtMs: number;
  /** How often in a row most of it was refused, as single documents. */
  putOff: number;
  /** Single documents that were refused while others were taken: such may be put together again. */
  isLeftover: boolean;
}

export interface QueueLimits {
  /** May change from call to call. */
  maxBytes: number;
  readonly maxEvents: number;
  readonly maxTimeSpanMs: number | undefined;
  readonly overheadBytesPerEvent: number;
}

/** The documents that wait for one destination of one sink, in order of arrival. */
export class Lane {
  readonly destination: string;
  /** When it last gave a call that was not full because of its age, by the clock that is never set. */
  lastPartialMs = -Infinity;
  readonly #encoding: string;
  readonly #limits: QueueLimits;
  #slices: QueuedSlice[] = [];
  #head = 0;
  #bytes = 0;
  #events = 0;

  constructor(destination: string, encoding: string, limits: QueueLimits) {
    this.destination = destination;
    this.#encoding = encoding;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#events === 0;
  }
  get events(): number {
    return this.#events;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** The oldest slice. Only when not empty. */
  get first(): QueuedSlice {
    return this.#slices[this.#head]!;
  }
  /** The newest slice. Only when not empty. */
  get last(): QueuedSlice {
    return this.#slices[this.#slices.length - 1]!;
  }
  /** There is enough for a full call. */
  get isFull(): boolean {
    return this.#bytes >= this.#limits.maxBytes || this.#events >= this.#limits.maxEvents;
  }

  push(slice: QueuedSlice): void {
    this.#slices.push(slice);
    this.#bytes += this.#cost(slice, slice.from, slice.to);
    this.#events += slice.to - slice.from;
  }

  /**
   * Takes as many documents from the front as one call may hold (at least one), none that arrived after
   * `beforeSequence`. A document larger than a whole call goes alone. Documents that may have been sent before share no
   * call with others: they have to be looked up. A call that is nearly full ends with a batch: of one in two calls all is
   * kept until both are answered, and what each refuses of it is dealt with document by document.
   */
  take(beforeSequence = Infinity): Shipment {
    const slices: QueuedSlice[] = [];
    let bytes = 0;
    let count = 0;
    let low = Infinity;
    let high = -Infinity;
    while (this.#head < this.#slices.length) {
      const slice = this.#slices[this.#head]!;
      if (count > 0 && (slice.sequence >= beforeSequence || slice.maybeSent !== slices[0]!.maybeSent)) break;
      let to = this.#fit(slice, this.#limits.maxBytes - bytes, this.#limits.maxEvents - count, count === 0);
      if (this.#limits.maxTimeSpanMs !== undefined) {
        const { timesMs } = slice.batch;
        for (let i = slice.from; i < to; i++) {
          const time = timesMs[i]!;
          if (Math.max(high, time) - Math.min(low, time) >= this.#limits.maxTimeSpanMs && high !== -Infinity) {
            to = i;
            break;
          }
          low = Math.min(low, time);
          high = Math.max(high, time);
        }
      }
      if (to === slice.from || (to < slice.to && this.#isNearlyFull(bytes, count))) break;
      const cost = this.#cost(slice, slice.from, to);
      bytes += cost;
      count += to - slice.from;
      if (to === slice.to) {
        slices.push(slice);
        this.#head++;
      } else {
        slices.push({ ...slice, to });
        this.#slices[this.#head] = { ...slice, from: to };
        break;
      }
    }
    this.#bytes -= bytes;
    this.#events -= count;
    if (this.#head > 64 && this.#head * 2 > this.#slices.length) {
      this.#slices = this.#slices.slice(this.#head);
      this.#head = 0;
    }
    return makeShipment(slices, this.#encoding, this.destination);
  }

  #isNearlyFull(bytes: number, count: number): boolean {
    const { maxBytes, maxEvents } = this.#limits;
    return bytes >= maxBytes * NEARLY_FULL || count >= maxEvents * NEARLY_FULL;
  }

  get all(): QueuedSlice[] {
    return this.#slices.slice(this.#head);
  }

  /** Takes all of it. */
  takeAll(): QueuedSlice[] {
    const slices = this.all;
    this.#slices = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#events = 0;
    return slices;
  }

  /** The end of the longest run from slice.from that fits. */
  #fit(slice: QueuedSlice, maxBytes: number, maxEvents: number, atLeastOne: boolean): number {
    const { offsets } = slice.batch.bodies.get(this.#encoding)!;
    const overhead = this.#limits.overheadBytesPerEvent;
    const begin = offsets[slice.from]!;
    let low = slice.from;
    let high = Math.min(slice.to, slice.from + maxEvents);
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (offsets[middle]! - begin + (middle - slice.from) * overhead <= maxBytes) low = middle;
      else high = middle - 1;
    }
    return low === slice.from && atLeastOne ? slice.from + 1 : low;
  }

  #cost(slice: QueuedSlice, from: number, to: number): number {
    const { offsets } = slice.batch.bodies.get(this.#encoding)!;
    return offsets[to]! - offsets[from]! + (to - from) * this.#limits.overheadBytesPerEvent;
  }
}

const NEARLY_FULL = 0.75;

/** A shipment of these slices, never sent so far. */
export function makeShipment(slices: readonly QueuedSlice[], encoding: string, destination: string): Shipment {
  let byteLength = 0;
  let count = 0;
  for (const slice of slices) {
    const { offsets } = slice.batch.bodies.get(encoding)!;
    byteLength += offsets[slice.to]! - offsets[slice.from]!;
    count += slice.to - slice.from;
  }
  return {
    slices,
    count,
    byteLength,
    destination,
    attempts: 0,
    dueAtMs: 0,
    joinsAtMs: 0,
    putOff: 0,
    isLeftover: false,
  };
}

/** Both halves of a shipment of at least two documents, in order. */
export function halve(shipment: Shipment, encoding: string): [Shipment, Shipment] {
  const half = shipment.count >>> 1;
  const first: QueuedSlice[] = [];
  const second: QueuedSlice[] = [];
  let seen = 0;
  for (const slice of shipment.slices) {
    const size = slice.to - slice.from;
    const cut = Math.min(size, Math.max(0, half - seen));
    if (cut > 0) first.push({ ...slice, to: slice.from + cut });
    if (cut < size) second.push({ ...slice, from: slice.from + cut });
    seen += size;
  }
  const make = (slices: QueuedSlice[]): Shipment => ({
    ...makeShipment(slices, encoding, shipment.destination),
    attempts: shipment.attempts,
  });
  return [make(first), make(second)];
}

/** Some documents of one slice, as runs of neighbours: from, to, from, to, … */
export interface Part {
  readonly slice: QueuedSlice;
  readonly runs: readonly number[];
}

/** The documents at these places of a shipment (ascending), slice by slice. */
export function partsAt(shipment: Shipment, indexes: readonly number[]): Part[] {
  const parts: Part[] = [];
  let next = 0;
  let begin = 0;
  for (const slice of shipment.slices) {
    const end = begin + slice.to - slice.from;
    const first = next;
    while (next < indexes.length && indexes[next]! < end) next++;
    if (next > first) parts.push({ slice, runs: runsOf(indexes, first, next, slice.from - begin) });
    begin = end;
  }
  return parts;
}

/** The indexes from place `first` to `end` - 1 as runs, each moved by `by`. In one piece: most runs are of one document. */
function runsOf(indexes: readonly number[], first: number, end: number, by: number): number[] {
  const runs = new Array<number>(2 * (end - first));
  let length = 0;
  for (let i = first; i < end; i++) {
    const at = indexes[i]! + by;
    if (length > 0 && runs[length - 1] === at) runs[length - 1] = at + 1;
    else {
      runs[length++] = at;
      runs[length++] = at + 1;
    }
  }
  runs.length = length;
  return runs;
}

/** A slice for each run. */
export function slicesOf({ slice, runs }: Part): QueuedSlice[] {
  const slices: QueuedSlice[] = [];
  for (let i = 0; i < runs.length; i += 2) slices.push({ ...slice, from: runs[i]!, to: runs[i + 1]! });
  return slices;
}
