import type { DriverCounts } from "./drivers/driver.ts";

/** What became of the packets of an interface: `seen = decoded + dropped…`; `own` ones are among the decoded. */
export interface CaptureCounts {
  readonly seen_packets: number;
  readonly decoded_packets: number;
  /** Of those, packets of the agent's own connections: they go no further. */
  readonly own_packets: number;
  /** For want of room in the kernel's buffer. */
  readonly dropped_by_kernel_packets: number;
  readonly dropped_by_interface_packets: number;
  /** Captured, but on the way to us, or still in the kernel's buffer, when the capturing program ended. */
  readonly dropped_at_end_packets: number;
}

export const COUNT_NAMES = [
  "seen_packets",
  "decoded_packets",
  "own_packets",
  "dropped_by_kernel_packets",
  "dropped_by_interface_packets",
  "dropped_at_end_packets",
] as const satisfies readonly (keyof CaptureCounts)[];

const NOTHING: CaptureCounts = {
  seen_packets: 0,
  decoded_packets: 0,
  own_packets: 0,
  dropped_by_kernel_packets: 0,
  dropped_by_interface_packets: 0,
  dropped_at_end_packets: 0,
};

/** What one run of a capturing program came to. */
export interface RunCounts {
  readonly decoded: number;
  readonly own: number;
  readonly driver: DriverCounts;
  /** The run is over: nothing is on its way any more. */
  readonly isOver: boolean;
  /**
   * The kernel counts each packet of this interface twice (loopback: out and in) or not at all as the program does, so
   * that its count of received ones cannot be compared.
   */
  readonly isCountedTwice: boolean;
}

/** The counts of a run. What is on its way at this moment counts nowhere yet. */
export function countsOfRun({ decoded, own, driver, isOver, isCountedTwice }: RunCounts): CaptureCounts {
  const { captured, received, droppedByKernel, droppedByInterface } = driver;
  const before = isCountedTwice ? captured : Math.max(captured, (received ?? 0) - droppedByKernel);
  const atEnd = isOver ? Math.max(0, before - decoded) : 0;
  return {
    seen_packets: decoded + droppedByKernel + droppedByInterface + atEnd,
    decoded_packets: decoded,
    own_packets: own,
    dropped_by_kernel_packets: droppedByKernel,
    dropped_by_interface_packets: droppedByInterface,
    dropped_at_end_packets: atEnd,
  };
}

export function addCounts(a: CaptureCounts | undefined, b: CaptureCounts): CaptureCounts {
  return combine(a ?? NOTHING, b, 1);
}

export function subtractCounts(a: CaptureCounts, b: CaptureCounts | undefined): CaptureCounts {
  return combine(a, b ?? NOTHING, -1);
}

function combine(a: CaptureCounts, b: CaptureCounts, sign: 1 | -1): CaptureCounts {
  return Object.fromEntries(COUNT_NAMES.map((name) => [name, a[name] + sign * b[name]])) as never;
}

/**
 * The event that says what became of an interface's packets in a stretch of time. Times are ISO 8601. `drops`: what the
 * numbers of dropped ones are, where they are not counted ones.
 */
export function countsDocument(
  interfaceName: string,
  driver: string,
  counts: CaptureCounts,
  start: string,
  end: string,
  drops: "estimated" | "unknown" | undefined,
): string {
  return JSON.stringify({
    "@timestamp": end,
    event: { kind: "metric", category: ["network"], type: ["info"], dataset: "packet.capture", start, end },
    observer: { ingress: { interface: { name: interfaceName } } },
    packet: {
      capture: {
        driver,
        ...Object.fromEntries(COUNT_NAMES.map((name) => [name.replace(/_packets$/, ""), counts[name]])),
        ...(drops === undefined ? {} : { drops }),
      },
    },
  });
}
