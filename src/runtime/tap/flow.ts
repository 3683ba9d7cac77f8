import type { TapCounts } from "./protocol.ts";

/** An event that is to be shown, as JSON text; made when it is chosen. */
export type MakeText = () => string;

export interface TapFlowOptions {
  /** Events shown a second. */
  readonly maxPerSecond: number;
  /** Events shown in all. */
  readonly limit: number;
  readonly random: () => number;
  /** A clock that is never set, in milliseconds. */
  readonly nowMs: () => number;
}

/** What the reader can take at this moment. */
export interface TapReader {
  readonly canTake: boolean;
}

/**
 * Chooses, of the events that match, those that are shown: an even sample of each frame (a reservoir) where there are
 * more than the rate allows. Bounded: one frame of events, in number and in bytes.
 */
export class TapFlow {
  readonly #options: TapFlowOptions;
  #passed = 0;
  #matched = 0;
  #shown = 0;
  #sampled = 0;
  #lost = 0;
  #skipped = 0;
  /** Of the present frame: texts with their place in the order of arrival. */
  #frame: { readonly order: number; readonly text: string }[] = [];
  #frameBytes = 0;
  #frameMatched = 0;
  #frameLost = 0;
  #capacity: number;
  #tokens: number;
  #tokensAtMs: number;

  constructor(options: TapFlowOptions) {
    this.#options = options;
    this.#tokens = options.maxPerSecond;
    this.#tokensAtMs = options.nowMs();
    this.#capacity = this.#roomFor();
  }

  /** Events that the limit still allows are all shown. */
  get isDone(): boolean {
    return this.#shown >= this.#options.limit;
  }
  get counts(): TapCounts {
    return {
      ...{ passed: this.#passed, matched: this.#matched, shown: this.#shown, sampled: this.#sampled },
      ...{ lost: this.#lost, skipped: this.#skipped },
    };
  }

  /** Events were looked at. */
  pass(count: number): void {
    this.#passed += count;
  }

  /** Events came by and were not looked at. */
  skip(count: number): void {
    this.#skipped += count;
  }

  /** One of those that were looked at matches. `make` is called before this returns, or never. */
  match(make: MakeText): void {
    const order = this.#frameMatched++;
    if (this.#frame.length + this.#frameLost < this.#capacity) {
      const text = make();
      if (this.#frameBytes > 0 && this.#frameBytes + text.length > MAX_FRAME_CHARACTERS) {
        this.#frameLost++;
        return;
      }
      this.#frameBytes += text.length;
      this.#frame.push({ order, text });
      return;
    }
    const place = Math.floor(this.#options.random() * this.#frameMatched);
    const before = this.#frame[place];
    if (before === undefined || place >= this.#capacity) return;
    const text = make();
    if (this.#frameBytes - before.text.length + text.length > MAX_FRAME_CHARACTERS) return;
    this.#frameBytes += text.length - before.text.length;
    this.#frame[place] = { order, text };
  }

  /** Ends a frame: the texts to show, in order. Where the reader cannot take them they are lost. */
  endFrame(reader: TapReader): string[] {
    const frame = this.#frame;
    const chosen = frame.length;
    this.#matched += this.#frameMatched;
    this.#sampled += this.#frameMatched - chosen - this.#frameLost;
    this.#lost += this.#frameLost + (reader.canTake ? 0 : chosen);
    this.#tokens -= chosen;
    this.#frame = [];
    this.#frameBytes = 0;
    this.#frameMatched = 0;
    this.#frameLost = 0;
    if (reader.canTake) this.#shown += chosen;
    this.#capacity = this.#roomFor();
    if (!reader.canTake) return [];
    return frame.sort((a, b) => a.order - b.order).map(({ text }) => text);
  }

  #roomFor(): number {
    const { maxPerSecond, limit, nowMs } = this.#options;
    const now = nowMs();
    this.#tokens = Math.min(maxPerSecond, this.#tokens + ((now - this.#tokensAtMs) / 1000) * maxPerSecond);
    this.#tokensAtMs = now;
    return Math.max(0, Math.min(Math.floor(this.#tokens), limit - this.#shown));
  }
}

/** Of one frame. A single event may be larger. */
const MAX_FRAME_CHARACTERS = 1 << 20;
