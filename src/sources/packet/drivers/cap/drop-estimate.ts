import type { InterfaceCounters } from "./interface-counters.ts";

/** A packet that waits in the kernel's ring takes at least so much of it. */
const LEAST_SLOT_BYTES = 1024;

/**
 * How many packets the kernel dropped, worked out: those that the interface counted and the capture does not have. Where
 * the interface joins packets (GRO) or splits them (TSO) it counts others than can be captured: then it is too much.
 */
export class DropEstimate {
  readonly #begin: InterfaceCounters;
  readonly #ringPackets: number;
  /** Never falls. */
  droppedByKernel = 0;
  droppedByInterface = 0;

  /** `begin`: the counters when the capture began. `ringBytes`: what the kernel may hold back. */
  constructor(begin: InterfaceCounters, ringBytes: number) {
    this.#begin = begin;
    this.#ringPackets = Math.floor(ringBytes / LEAST_SLOT_BYTES);
  }

  /**
   * Takes in the counters as they were when `captured` packets had been. `isDrained`: nothing of what they count waits in the
   * kernel; otherwise as much may as there is room for.
   */
  update({ packets, missed }: InterfaceCounters, captured: number, isDrained: boolean): void {
    const waiting = isDrained ? 0 : this.#ringPackets;
    const dropped = packets - this.#begin.packets - captured - waiting;
    this.droppedByKernel = Math.max(this.droppedByKernel, dropped);
    this.droppedByInterface = Math.max(this.droppedByInterface, missed - this.#begin.missed);
  }
}
