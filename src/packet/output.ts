import type { CaptureInterface } from "./capture/format.ts";
import type { PacketBatch } from "./capture/packet-batch.ts";
import type { HeaderColumns } from "./headers/header-columns.ts";

/** Takes the documents that an output makes. */
export interface DocumentSink {
  /**
   * One document: JSON text of an object with ECS names and its own `@timestamp` (absent where the capture tells no
   * time), without line ends. `timeMs` is that time in milliseconds since the epoch; NaN when there is none.
   */
  add(json: string, timeMs: number): void;
}

/**
 * What can be made of packets: an event for each (`packets`), or for each conversation (`flows`), question and answer
 * (`transactions`), or stretch of time (`stats`). Fed with one capture from its beginning. All time is capture time, live
 * captures included, so that a capture read again gives the same documents in the same order.
 */
export interface PacketOutput {
  /** Takes a batch and what its headers say; both are good only until the call returns. Never throws because of them. */
  take(batch: PacketBatch, columns: HeaderColumns, interfaces: readonly CaptureInterface[], sink: DocumentSink): void;
  /** No packet came until this moment (milliseconds since the epoch): what has timed out by then is over. */
  advance(timeMs: number, sink: DocumentSink): void;
  /** The capture is over: gives everything that is still open. Nothing is called after that. */
  finish(sink: DocumentSink): void;
  /** Totals and levels of its own for `status` and `/metrics`, by name in lower_snake_case with the unit last. */
  counters(): Readonly<Record<string, number>>;
}
