import type { TimeReader } from "../../core/plan.ts";

/** Bytes of the parts that a cache has room for; a longer text is not remembered. */
const BEFORE_BYTES = 128;
const BEHIND_BYTES = 64;
/** Longer numbers do not fit what the machine counts with. */
const MAX_DIGITS = 9;
/** Times of which a double holds every microsecond, and so whatever way they are worked out in. */
const MAX_EXACT_DIGITS = 16;

/** How a text's time depends on some of its digits. */
interface Shape {
  readonly microsPerStep: number;
  readonly limit: number;
}

/**
 * Reads times for the machine and tells it how to read the next ones itself (assembly/machine/time.ts). The digits
 * behind the last point or comma, or the last ones of a number that is all digits, mostly are a fraction of a second:
 * whether they are is found out by reading texts with other digits there, so nothing is assumed of the format.
 */
export class TimeCache {
  readonly #reader: TimeReader;
  readonly #area: Buffer;
  readonly #shapes = new Map<string, Shape | null>();

  /** `area` is the cache in the machine's memory: 256 bytes. */
  constructor(reader: TimeReader, area: Buffer) {
    this.#reader = reader;
    this.#area = area;
  }

  /** Milliseconds since the epoch, or NaN. */
  read(text: string): number {
    const timeMs = this.#reader.read(text);
    if (timeMs === timeMs) this.#remember(text, timeMs);
    return timeMs;
  }

  /** To be called now and then: what depends on the clock is not true for long. */
  refresh(): void {
    if (this.#reader.dependsOnClock) this.#area.fill(0, 0, 32);
  }

  #remember(text: string, timeMs: number): void {
    const [from, to] = digitsIn(text);
    const shape = from < to ? this.#shapeOf(text, from, to, timeMs) : null;
    if (shape === null) {
      this.#write(text, "", "", timeMs, 0, { microsPerStep: 0, limit: 1 });
      return;
    }
    const [before, digits, behind] = [text.slice(0, from), text.slice(from, to), text.slice(to)];
    const baseMs = this.#reader.read(before + "0".repeat(digits.length) + behind);
    // With the same digits it must come out as it was read.
    const isRight = Number.isInteger(baseMs) && stepped(baseMs, Number(digits), shape) === timeMs;
    if (isRight) this.#write(before, digits, behind, baseMs, digits.length, shape);
    else this.#write(text, "", "", timeMs, 0, { microsPerStep: 0, limit: 1 });
  }

  /** Texts with equal parts behind the digits, and digits at one place, are of one shape. */
  #shapeOf(text: string, from: number, to: number, timeMs: number): Shape | null {
    const key = `${from} ${to} ${text.slice(to)}`;
    let shape = this.#shapes.get(key);
    if (shape === undefined) {
      if (this.#shapes.size >= 64) this.#shapes.clear();
      this.#shapes.set(key, (shape = this.#probe(text.slice(0, from), text.slice(from, to), text.slice(to), timeMs)));
    }
    return shape;
  }

  #probe(before: string, digits: string, behind: string, timeMs: number): Shape | null {
    const at = (number: number): number =>
      this.#reader.read(before + String(number).padStart(digits.length, "0") + behind);
    const baseMs = at(0);
    // All digits, or three of them padded with zeros: 0285 is 285 ms.
    for (const limit of [10 ** digits.length, 1000]) {
      const microsPerStep = Math.round((at(1) - baseMs) * 1000);
      if (!(microsPerStep > 0) || microsPerStep * limit > 1_000_000) continue;
      const shape = { microsPerStep, limit };
      const probes = [1, 2, Math.floor(limit / 3), Math.floor(limit / 2), limit - 1, Number(digits)];
      const isRight = probes.every(
        (number) => at(number) === (number < limit ? stepped(baseMs, number, shape) : timeMs),
      );
      if (Number.isInteger(baseMs) && isRight) return shape;
    }
    return null;
  }

  #write(before: string, digits: string, behind: string, baseMs: number, count: number, shape: Shape): void {
    const area = this.#area;
    area.fill(0, 0, 32);
    if (before.length * 3 > BEFORE_BYTES || behind.length * 3 > BEHIND_BYTES || before === "") return;
    area.writeDoubleLE(baseMs, 0);
    area.writeInt32LE(shape.microsPerStep, 8);
    area.writeInt32LE(shape.limit, 12);
    area.writeInt32LE(count, 20);
    area.writeInt32LE(area.write(behind, 160), 24);
    area.writeInt32LE(area.write(before, 32), 16);
  }
}

/** What the machine works out of a base and a number. */
function stepped(baseMs: number, number: number, { microsPerStep }: Shape): number {
  const micros = number * microsPerStep;
  return micros % 1000 === 0 ? baseMs + micros / 1000 : (baseMs * 1000 + micros) / 1000;
}

/** Where the digits are that may be a fraction of a second. */
function digitsIn(text: string): readonly [from: number, to: number] {
  const fraction = /^[^]*[.,](\d{1,9})(?!\d)/.exec(text);
  if (fraction !== null) {
    const digits = fraction[1]!.length;
    const isExact = !/^\d+[.,]\d+$/.test(text) || text.length - 1 <= MAX_EXACT_DIGITS;
    return isExact && digits <= MAX_DIGITS ? [fraction[0].length - digits, fraction[0].length] : [0, 0];
  }
  // Epochs in milliseconds or microseconds.
  if (/^\d{11,16}$/.test(text)) return [10, text.length];
  return [0, 0];
}
