import { fileURLToPath } from "node:url";
import type { Driver } from "../driver.ts";
import { tcpdump } from "../tcpdump.ts";
import { capRemedy } from "./addon.ts";
import { CAP_SNAP_LENGTH } from "./faults.ts";
import type { CapRequest } from "./request.ts";

/**
 * Captures with libpcap in a process of ours, by the npm package cap: for machines where neither tcpdump nor dumpcap may be
 * installed. Times are taken by that process, and drops are worked out from the interface's counters.
 */
export const cap: Driver = {
  name: "cap",
  missing: `the npm package cap is not installed: ${capRemedy()}, or set another driver`,
  tellCounts: undefined,
  argv: ({ snap_length, buffer_bytes, filter }, interfaceName) => {
    const request: CapRequest = {
      interfaceName,
      snapLength: Math.min(snap_length, CAP_SNAP_LENGTH),
      bufferBytes: buffer_bytes,
      filter: filter ?? "",
    };
    const program = fileURLToPath(new URL("./capture-process.js", import.meta.url));
    return [process.execPath, program, JSON.stringify(request)];
  },
  isListening: (line) => line.startsWith("cap: listening on "),
  // In tcpdump's words.
  counts: (line, before) => tcpdump.counts(line, before),
  isNoise: (line) => line === "" || line.startsWith("cap: listening on ") || line.startsWith("Warning: "),
  remedy(line, interfaceName) {
    if (/permission|Operation not permitted/i.test(line))
      return "run as root, or give the agent's service CAP_NET_RAW (AmbientCapabilities=CAP_NET_RAW); tcpdump needs no privilege of the agent";
    if (line.includes("cannot be loaded")) return `install it for this Node (${process.version}): ${capRemedy()}`;
    return tcpdump.remedy(line, interfaceName);
  },
  drops: ({ filter }) => (filter === undefined ? "estimated" : "unknown"),
};
