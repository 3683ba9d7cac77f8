import type { Driver } from "./driver.ts";
import { captureRemedy } from "./tcpdump.ts";

/*
 * What dumpcap (Wireshark 3 and 4) says at its end, to standard error:
 *
 *     Packets captured: 5
 *     Packets received/dropped on interface 'v0': 5/0 (pcap:0/dumpcap:0/flushed:0/ps_ifdrop:0) (100.0%)
 */
const CAPTURED = /^Packets captured: (\d+)/;
const DROPPED = /^Packets received\/dropped on interface '.*': \d+\/\d+ \((.*?)\)/;

/** Captures with dumpcap: pcapng with kernel time stamps; counts only when it ends. */
export const dumpcap: Driver = {
  name: "dumpcap",
  missing:
    "dumpcap is not installed: install it (Debian, Ubuntu: apt-get install wireshark-common), or set another driver",
  tellCounts: undefined,
  argv: (options, interfaceName) => [
    "dumpcap",
    ...["-i", interfaceName, "-q", "-w", "-", "-s", String(options.snap_length)],
    ...["-B", String(Math.ceil(options.buffer_bytes / 1_048_576))],
    ...(options.promiscuous ? [] : ["-p"]),
    ...(options.filter === undefined ? [] : ["-f", options.filter]),
  ],
  isListening: (line) => line.startsWith("File: "),
  isNoise: (line) =>
    line === "" || line.startsWith("File: ") || line.startsWith("Capturing on ") || line.startsWith("Packets: "),
  counts(line, before) {
    const captured = CAPTURED.exec(line);
    if (captured !== null) return { ...before, captured: Number(captured[1]) };
    const dropped = DROPPED.exec(line);
    if (dropped === null) return undefined;
    const parts = new Map(
      dropped[1]!.split("/").map((part): [string, number] => {
        const [name = "", number = ""] = part.split(":");
        return [name, Number(number)];
      }),
    );
    const of = (name: string): number => parts.get(name) ?? 0;
    // What dumpcap itself dropped or threw away at its end was in the kernel's count of the received ones.
    const droppedByKernel = of("pcap") + of("dumpcap") + of("flushed");
    return {
      ...before,
      droppedByKernel,
      droppedByInterface: of("ps_ifdrop"),
      received: before.captured + droppedByKernel,
    };
  },
  remedy(line, interfaceName) {
    if (/permission|Operation not permitted/i.test(line))
      return `${captureRemedy("dumpcap")}; on Debian: sudo dpkg-reconfigure wireshark-common, and become a member of the group wireshark`;
    if (/no such device|no interface|isn't a device/i.test(line))
      return `there is no interface ${interfaceName} (yet): \`wiretail interfaces\` lists them`;
    if (/capture filter/i.test(line)) return "the option `filter` is in the language of `man pcap-filter`";
    return undefined;
  },
};
