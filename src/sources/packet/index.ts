import { defineSource } from "../../core/component.ts";
import { optionFaults, packetOptions } from "./options.ts";
import { PacketSource } from "./packet-source.ts";

/** Captures packets. */
export const packet = defineSource({
  type: "packet",
  summary: "Captures packets on interfaces, or reads captures, and makes events of them",
  description:
    "Exactly one of `interfaces`, `files`, `stdin` and `command` says where packets come from. [packets.md](../../packets.md) has the " +
    "fields of the events, the privileges that capturing needs, and what it costs.\n\n" +
    "Captures of files are rereadable: after a crash each packet's event is there once, by the same id. Live packets cannot be " +
    "captured again: what a crash finds in memory and not in the journal is lost. `status` and `/metrics` say what was seen, " +
    "decoded and dropped, and by whom; so does an event a minute.",
  stability: "beta",
  schema: packetOptions,
  rereadable: (options) => options.files !== undefined,
  examples: [
    {
      title: "An interface, without the administrator's own session",
      options: { type: "packet", interfaces: ["eth0"], filter: "not port 22" },
    },
    {
      title: "Names that are asked for, from another host",
      options: {
        type: "packet",
        command: ["ssh", "gateway", "tcpdump", "-i", "eth1", "-U", "-w", "-", "udp port 53"],
        packets: { fields: ["source.ip", "destination.ip", "dns"] },
      },
    },
    {
      title: "Capture files as `tcpdump -G 300 -w` writes them",
      options: { type: "packet", files: ["/var/log/captures/*.pcap", "/var/log/captures/*.pcap.gz"] },
    },
  ],
  validate: optionFaults,
  create: (options, context) => new PacketSource(options, context, process.stdin),
});
