import { execFileSync } from "node:child_process";
import { LAYER_NAMES } from "../../src/packet/headers/layer.ts";

/** What tshark says of every packet of a capture: by field, text as `tshark -T fields` prints it. */
export function tsharkFields<F extends string>(file: string, fields: readonly F[]): Record<F, string>[] {
  const text = execFileSync(
    "tshark",
    [
      ...["-n", "-r", file, "--enable-protocol", "communityid"],
      // Each piece by itself, as our header decoders see it; and names of layers beneath TCP need no reassembly.
      ...["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"],
      ...["-T", "fields", "-E", "separator=/t", ...fields.flatMap((field) => ["-e", field])],
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
 * `frame.protocols` of tshark as far as header decoders go: to the first layer that they do not know. What ICMP messages
 * quote is not part of the stack for us, and IGMP, which tshark names once for itself and once for its version, is
 * named once (docs/packets.md).
 */
export function headerLayers(protocols: string): string {
  const names = protocols.split(":");
  const unknown = names.findIndex((name) => !LAYER_NAMES.includes(name));
  const known = unknown < 0 ? names : names.slice(0, unknown);
  const last = known.findIndex((name) => name === "icmp" || name === "icmpv6" || name === "igmp");
  return (last < 0 ? known : known.slice(0, last + 1)).join(":");
}
