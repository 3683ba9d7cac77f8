import type { LogEvent } from "../core/event.ts";

/** Where an event stands: it has the same place whenever it is read again. */
export interface Position {
  readonly partition: string;
  readonly offset: number;
  readonly subIndex: number;
}

/**
 * Knows how far events of each partition have come to a stage, and so which events come again: a sink that catches up
 * has sources read what others have already, and so has a restart. Bounded: of partitions beyond the newest 65,536 it
 * knows nothing any more.
 */
export class Positions {
  #partition = "";
  #furthest: { offset: number; subIndex: number } = { offset: -1, subIndex: 0 };
  readonly #byPartition = new Map<string, { offset: number; subIndex: number }>();

  get partition(): string {
    return this.#partition;
  }

  enter(partition: string): void {
    if (partition === this.#partition) return;
    this.#partition = partition;
    const known = this.#byPartition.get(partition) ?? { offset: -1, subIndex: 0 };
    this.#byPartition.delete(partition);
    this.#byPartition.set(partition, known);
    this.#furthest = known;
    if (this.#byPartition.size > MAX_PARTITIONS) {
      const [oldest] = this.#byPartition.keys();
      this.#byPartition.delete(oldest!);
    }
  }

  /** Takes note of an event. Returns whether it, or a later one of its partition, was here before. */
  isAgain(event: LogEvent): boolean {
    const furthest = this.#furthest;
    if (this.#partition === "" || isBehind(event, furthest.offset, furthest.subIndex)) {
      furthest.offset = event.offset;
      furthest.subIndex = event.subIndex;
      return false;
    }
    return true;
  }

  /** As JSON, of the partitions that are still known. */
  save(isKnown: (partitionId: string) => boolean): SavedPositions {
    return [...this.#byPartition]
      .filter(([id, { offset }]) => offset >= 0 && isKnown(id))
      .map(([id, { offset, subIndex }]) => [id, offset, subIndex] as const);
  }

  load(saved: SavedPositions): void {
    this.#partition = "";
    this.#byPartition.clear();
    for (const [id, offset, subIndex] of saved) this.#byPartition.set(id, { offset, subIndex });
  }
}

/** Partition id, offset and sub-index of the furthest event. */
export type SavedPositions = readonly (readonly [id: string, offset: number, subIndex: number])[];

const MAX_PARTITIONS = 65_536;

/** Whether an event comes after a place in its partition. */
export function isBehind(event: LogEvent, offset: number, subIndex: number): boolean {
  return event.offset > offset || (event.offset === offset && event.subIndex > subIndex);
}
