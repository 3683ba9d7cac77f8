import type { PacketOptions } from "../options.ts";

/** Counts of packets since a capture began, as the capturing program tells them. */
export interface DriverCounts {
  /** Packets that it wrote. */
  readonly captured: number;
  /** Packets that passed the filter, as the kernel counts them; undefined where that is not said. */
  readonly received: number | undefined;
  readonly droppedByKernel: number;
  readonly droppedByInterface: number;
}

/** A program that captures on one interface and writes a capture to its standard output. */
export interface Driver {
  readonly name: string;
  argv(options: PacketOptions, interfaceName: string): readonly [string, ...string[]];
  /** Whether a line that it wrote to standard error says that it captures now. */
  isListening(line: string): boolean;
  /**
   * Takes a line of standard error into the counts so far. Returns the new ones, or undefined when the line is about
   * something else.
   */
  counts(line: string, before: DriverCounts): DriverCounts | undefined;
  /** Lines that say nothing that anybody has to know. */
  isNoise(line: string): boolean;
  /** The signal that has it tell its counts, if there is one. */
  readonly tellCounts: NodeJS.Signals | undefined;
  /** What to do about what it said last, if we know. */
  remedy(line: string, interfaceName: string): string | undefined;
  /** Where its drops are not told: whether they are worked out from the interface's counters, or nobody knows them. */
  drops?(options: PacketOptions): "estimated" | "unknown";
  /** Said when the program is not there. */
  readonly missing: string;
}

export const NO_COUNTS: DriverCounts = {
  captured: 0,
  received: undefined,
  droppedByKernel: 0,
  droppedByInterface: 0,
};
