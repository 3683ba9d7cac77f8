import type { PacketOptions } from "../options.ts";
import type { Driver, DriverCounts } from "./driver.ts";

export const MISSING_TCPDUMP =
  "tcpdump is not installed: install it (Debian, Ubuntu: apt-get install tcpdump), or set another driver";

/*
 * What tcpdump (4.9 to 4.99) says to standard error; on SIGUSR1 the counts on one line, at its end each on its own:
 *
 *     tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes
 *     tcpdump: 3 packets captured, 15 packets received by filter, 0 packets dropped by kernel
 *     2 packets dropped by interface
 */
const COUNT = /(\d+) packets? (captured|received by filter|dropped by kernel|dropped by interface)/g;

/** Captures with tcpdump: kernel time stamps in nanoseconds, counts at any time. */
export const tcpdump: Driver = {
  name: "tcpdump",
  missing: MISSING_TCPDUMP,
  tellCounts: "SIGUSR1",
  argv: (options, interfaceName) => tcpdumpArguments(options, interfaceName),
  isListening: (line) => line.includes("listening on "),
  isNoise: (line) => line === "" || line.includes("listening on ") || line.includes("data link type"),
  counts(line, before) {
    let found: DriverCounts | undefined;
    for (const [, number = "", what = ""] of line.matchAll(COUNT)) {
      const value = Number(number);
      found ??= before;
      if (what === "captured") found = { ...found, captured: value };
      else if (what === "received by filter") found = { ...found, received: value };
      else if (what === "dropped by kernel") found = { ...found, droppedByKernel: value };
      else found = { ...found, droppedByInterface: value };
    }
    return found;
  },
  remedy(line, interfaceName) {
    if (/permission|Operation not permitted/i.test(line)) return captureRemedy("tcpdump");
    if (/No such device|doesn't exist|SIOCGIFHWADDR/.test(line))
      return `there is no interface ${interfaceName} (yet): \`wiretail interfaces\` lists them`;
    if (/device is not up|Network is down/i.test(line)) return `bring it up: ip link set ${interfaceName} up`;
    if (/filter expression/.test(line)) return "the option `filter` is in the language of `man pcap-filter`";
    return undefined;
  },
};

/** How a user gets the privilege to capture with a program. */
export function captureRemedy(program: string): string {
  const path = program.startsWith("/") ? program : `"$(command -v ${program})"`;
  return `run as root, use the capture service (docs/packets.md), or give the program the privilege: sudo setcap cap_net_raw,cap_net_admin+eip ${path}`;
}

function tcpdumpArguments(options: PacketOptions, interfaceName: string): readonly [string, ...string[]] {
  return [
    "tcpdump",
    ...["-i", interfaceName, "-n", "-U", "-w", "-"],
    ...["--time-stamp-precision=nano", "-s", String(options.snap_length)],
    ...["-B", String(Math.ceil(options.buffer_bytes / 1024))],
    ...(options.promiscuous ? [] : ["-p"]),
    ...(options.filter === undefined ? [] : ["--", options.filter]),
  ];
}
