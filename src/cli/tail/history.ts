/** One event as it will be shown: its order is decided by its time, or by that of the last event of its file that has one. */
interface Held {
  readonly keyMs: number;
  /** Order of arrival. */
  readonly number: number;
  readonly characters: number;
  readonly show: () => void;
}

interface FileState {
  /** Up to where the file was there at the start, in bytes. */
  readonly endByte: number;
  lastMs: number;
  isDone: boolean;
}

export interface HistoryOptions {
  /** Files whose beginning is shown in order of time, with their sizes. */
  readonly files: ReadonlyMap<string, number>;
  /** Times from here on are when a line was read: it has none of its own. */
  readonly startedMs: number;
  /** The screen takes nothing at the moment: that nothing comes does not mean that all has come. */
  readonly isBlocked: () => boolean;
  /** Calls back after so many milliseconds; returns what calls it off. */
  readonly after: (milliseconds: number, callback: () => void) => () => void;
}

/** After so long without an event all that was there has come: the rest of it is in a gap, or was left out. */
const QUIET_MS = 1000;
/** What may be held back, in characters. With more, the order is no longer that of time over all files. */
const MAX_HELD_CHARACTERS = 16 * 1024 * 1024;

/**
 * Puts what is in several files at the start in the order of time. Events of one file keep their order. An event waits
 * until every other file has come as far as its time, or to its end; then what comes is shown as it comes.
 */
export class History {
  readonly #options: HistoryOptions;
  readonly #files: Map<string, FileState>;
  /** A binary heap, the earliest first. */
  readonly #held: Held[] = [];
  #characters = 0;
  #number = 0;
  #isOver = false;
  #isScheduled = false;
  #cancelQuiet: () => void;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#files = new Map();
    for (const [path, endByte] of options.files)
      this.#files.set(path, { endByte, lastMs: -Infinity, isDone: endByte === 0 });
    this.#cancelQuiet = this.#endWhenQuiet();
  }

  /** All was shown that was there at the start. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** An event of a file that ends at this byte, or one or two before it, has been read. Called before `add` for it. */
  reached(path: string, byte: number): void {
    const file = this.#files.get(path);
    if (file === undefined || file.isDone || byte + 2 < file.endByte) return;
    file.isDone = true;
    this.#release();
  }

  /** Shows an event in its turn. `timeMs` is undefined for inputs whose lines have no times: they come last. */
  add(path: string, timeMs: number | undefined, characters: number, show: () => void): void {
    if (this.#isOver) {
      show();
      return;
    }
    const file = this.#files.get(path);
    let keyMs = Infinity;
    if (file !== undefined && timeMs !== undefined) {
      if (timeMs > file.lastMs && timeMs < this.#options.startedMs) file.lastMs = timeMs;
      keyMs = file.lastMs;
    } else if (file !== undefined) file.lastMs = Infinity;
    this.#push({ keyMs, number: this.#number++, characters, show });
    this.#characters += characters;
    while (this.#characters > MAX_HELD_CHARACTERS) this.#showFirst();
    this.#cancelQuiet();
    this.#cancelQuiet = this.#endWhenQuiet();
    this.#release();
  }

  /** Shows all that is held, and from now on everything as it comes. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelQuiet();
    while (this.#held.length > 0) this.#showFirst();
  }

  #endWhenQuiet(): () => void {
    return this.#options.after(QUIET_MS, () => {
      if (this.#options.isBlocked()) this.#cancelQuiet = this.#endWhenQuiet();
      else this.end();
    });
  }

  /** Once for all events that came together. */
  #release(): void {
    if (this.#isScheduled || this.#isOver) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.#isOver) return;
      let untilMs = Infinity;
      let isDone = true;
      for (const file of this.#files.values()) {
        if (file.isDone) continue;
        isDone = false;
        untilMs = Math.min(untilMs, file.lastMs);
      }
      if (isDone) this.end();
      else while (this.#held.length > 0 && this.#held[0]!.keyMs < untilMs) this.#showFirst();
    });
  }

  #push(item: Held): void {
    const heap = this.#held;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(item, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = item;
  }

  #showFirst(): void {
    const heap = this.#held;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      let at = 0;
      for (;;) {
        let below = 2 * at + 1;
        if (below >= heap.length) break;
        if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
        if (!isBefore(heap[below]!, last)) break;
        heap[at] = heap[below]!;
        at = below;
      }
      heap[at] = last;
    }
    this.#characters -= first.characters;
    first.show();
  }
}

function isBefore(a: Held, b: Held): boolean {
  return a.keyMs < b.keyMs || (a.keyMs === b.keyMs && a.number < b.number);
}
