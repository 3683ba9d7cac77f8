import { readdirSync, readFileSync } from "node:fs";

/** What Linux counts of an interface since it is there. */
export interface InterfaceCounters {
  /** Packets that a capture on it could have seen. */
  readonly packets: number;
  /** What the interface itself had no room for. */
  readonly missed: number;
}

/** Where the kernel has one folder an interface (sysfs). */
const ROOT = "/sys/class/net";

/**
 * Reads the counters of an interface, or of `any`: the sum of all. Undefined where there is none (any more). Packets of the
 * loopback interface are counted as sent and as received, and captured once.
 */
export function readInterfaceCounters(name: string, root = ROOT): InterfaceCounters | undefined {
  try {
    if (name !== "any") return countersOf(name, root);
    const all = readdirSync(root).filter((each) => each !== "bonding_masters");
    const counters = all.map((each) => countersOf(each, root));
    return {
      packets: counters.reduce((sum, each) => sum + each.packets, 0),
      missed: counters.reduce((sum, each) => sum + each.missed, 0),
    };
  } catch {
    return undefined;
  }
}

function countersOf(name: string, root: string): InterfaceCounters {
  const read = (counter: string): number => Number(readFileSync(`${root}/${name}/statistics/${counter}`, "latin1"));
  return {
    packets: read("rx_packets") + (name === "lo" ? 0 : read("tx_packets")),
    // As libpcap has it (linux_if_drops).
    missed: read("rx_missed_errors") + read("rx_fifo_errors"),
  };
}
