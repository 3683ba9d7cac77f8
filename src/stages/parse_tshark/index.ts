import { packetFields, readTshark, type TsharkRecord } from "../../codec/tshark/packet.ts";
import { defineStage, DROP, StageFailure, type Stage } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import type { LogEvent } from "../../core/event.ts";
import { t, type Infer } from "../../core/schema.ts";
import { SOURCE_OPTIONS } from "../parsed-fields.ts";
import { ParsedObject } from "../parsed-object.ts";

const schema = t.object({
  ...SOURCE_OPTIONS,
  legacy_names: t.boolean({
    default: false,
    description:
      "Write `bootp` and `ssl` in `frame.protocols`, as tshark did before version 3. Without it they are `dhcp` and `tls`, whatever the record says.",
  }),
});

class ParseTshark implements Stage {
  readonly #object: ParsedObject;
  readonly #legacyNames: boolean;

  constructor(options: Infer<typeof schema>) {
    this.#object = new ParsedObject(options);
    this.#legacyNames = options.legacy_names;
  }

  apply(event: LogEvent): undefined | StageFailure | typeof DROP {
    const text = this.#object.read(event);
    if (typeof text !== "string") return text;
    let record: TsharkRecord | undefined;
    try {
      record = readTshark(text);
    } catch (error) {
      if (!(error instanceof WiretailError)) throw error;
      return new StageFailure(error.message);
    }
    return record === undefined ? DROP : this.#object.write(event, packetFields(record, this.#legacyNames));
  }
}

/** Parses packets that tshark printed as JSON. */
export const parseTshark = defineStage({
  type: "parse_tshark",
  summary: "Parses packets that tshark printed as JSON (-T json, -T ek)",
  description: [
    "Makes the events of our own decoders ([packets](../../packets.md)) of what `tshark -T json` or `-T ek` prints: times from `frame.time_epoch`, addresses under `source` and `destination`, `frame.protocols`, TCP, ICMP, ARP, DNS, DHCP, and of HTTP and TLS what ECS has names for. Fields may be spelled with dots, with underscores as in `-T ek`, or without the layer's name (`time` for `frame.time`); layers may have the names of before version 3 (`bootp`, `ssl`); repeated keys and lists (`--no-duplicate-keys`) are both read. What a packet does not have is absent.",
    "",
    'An event is one record: a line of `-T ek`, or of `-T json` with one record a line. Of a whole list that tshark printed over many lines the source makes events with `"multiline": {"start_pattern": "^  [{]", "max_lines": 100000, "max_bytes": 16777216}`; `wiretail try` does so by itself. The brackets of the list, and the lines of `-T ek` that name an index, are no packets: they are left out, and counted as dropped.',
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "A record of -T json",
      options: {},
      input: [
        '{"_index":"packets-2026-11-21","_score":null,"_source":{"layers":{"frame":{"frame.time_epoch":"1795304214.403827779","frame.number":"55","frame.len":"69","frame.cap_len":"69","frame.protocols":"eth:ethertype:ip:udp:dns"},"eth":{"eth.dst":"2a:f7:72:be:27:3d","eth.src":"92:d3:20:bc:34:98"},"ip":{"ip.ttl":"64","ip.proto":"17","ip.src":"10.9.0.1","ip.dst":"10.9.0.2"},"udp":{"udp.srcport":"50571","udp.dstport":"53","udp.length":"35"}}}}',
      ],
      output: [
        {
          "@timestamp": "2026-11-21T23:36:54.403827Z",
          "frame.protocols": "eth:ethertype:ip:udp:dns",
          "source.mac": "92-D3-20-BC-34-98",
          "destination.ip": "10.9.0.2",
          "destination.port": 53,
          "network.transport": "udp",
          "udp.len": 27,
        },
      ],
    },
    {
      title: "Prefixes taken off, and names of an old version; the line before names an index",
      options: {},
      input: [
        '{"index":{"_index":"packets-2018-10-01","_type":"pcap_file"}}',
        '{"_source":{"layers":{"frame":{"time_epoch":"54.643990000","len":"342","protocols":"eth:ethertype:ip:udp:bootp"},"eth":{"src":"00:1a:2b:3c:4d:5e"},"ip":{"dst":"255.255.255.255","src":"0.0.0.0"}}}}',
      ],
      output: [
        {
          "@timestamp": "1970-01-01T00:00:54.643990Z",
          "frame.protocols": "eth:ethertype:ip:udp:dhcp",
          "destination.ip": "255.255.255.255",
        },
      ],
    },
  ],
  create: (options) => new ParseTshark(options),
});
