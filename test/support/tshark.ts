import { execFileSync } from "node:child_process";
import { LAYER_NAMES } from "../../src/packet/headers/layer.ts";

// Each piece by itself, as our header decoders see it; and names of layers beneath TCP need no reassembly.
const APART = ["ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE"];

/**
 * What tshark says of every packet of a capture: by field, text as `tshark -T fields` prints it, several values with
 * `separator` between them.
 */
export function tsharkFields<F extends string>(
  file: string,
  fields: readonly F[],
  preferences: readonly string[] = APART,
  separator = ",",
): Record<F, string>[] {
  const text = execFileSync(
    "tshark",
    [
      ...["-n", "-r", file, "--enable-protocol", "communityid"],
      ...preferences.flatMap((each) => ["-o", each]),
      ...[
        "-T",
        "fields",
        "-E",
        "separator=/t",
        "-E",
        `aggregator=${separator}`,
        ...fields.flatMap((field) => ["-e", field]),
      ],
    ],
    { encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "ignore"] },
  );
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => {
      const cells = line.split("\t");
      return Object.fromEntries(fields.map((field, i) => [field, cells[i] ?? ""])) as Record<F, string>;
    });
}

/**
 * `frame.protocols` of tshark as far as our decoders go: through the first application. What ICMP messages quote is not
 * part of the stack for us, nor what tshark names beneath an application (docs/packets.md).
 */
export function knownLayers(protocols: string): string {
  const names = protocols.split(":");
  const unknown = names.findIndex((name) => !LAYER_NAMES.includes(name));
  const known = unknown < 0 ? names : names.slice(0, unknown);
  const last = known.findIndex((name) => ENDS.has(name));
  if (last < 0) return known.join(":");
  // EtherTypes that nobody knows.
  if (known[last] === "data" && known[last - 1] === "ethertype") return known.slice(0, last).join(":");
  const isEcho = known[last]!.startsWith("icmp") && known[last + 1] === "data";
  return known.slice(0, isEcho ? last + 2 : last + 1).join(":");
}

const ENDS = new Set(["icmp", "icmpv6", "igmp", "dns", "mdns", "llmnr", "dhcp", "http", "tls", "ntp", "data"]);
