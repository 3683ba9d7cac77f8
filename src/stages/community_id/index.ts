import { CommunityIds } from "../../codec/community-id.ts";
import { ipBytes } from "../../codec/ip.ts";
import { defineStage, type Stage, StageFailure } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";

const schema = t.object({
  target: t.string({
    default: "network.community_id",
    description: "Field that gets the Community ID.",
    "x-syntax": "field",
  }),
  seed: t.integer({
    default: 0,
    minimum: 0,
    maximum: 65_535,
    description: "Seed of the hash. Programs agree only with the same seed; nearly all have 0.",
  }),
});

/** Names of `network.transport`, and of programs that have other ones. */
const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ...([
    ["icmp", 1],
    ["igmp", 2],
    ["tcp", 6],
    ["udp", 17],
    ["gre", 47],
    ["esp", 50],
    ["ah", 51],
  ] as const),
  ...([
    ["ipv6-icmp", 58],
    ["icmpv6", 58],
    ["sctp", 132],
  ] as const),
]);
const PORTLESS: ReadonlySet<number> = new Set([1, 2, 47, 50, 51, 58]);

const FIELDS = {
  source: new Path("source.ip"),
  destination: new Path("destination.ip"),
  sourcePort: new Path("source.port"),
  destinationPort: new Path("destination.port"),
  transport: new Path("network.transport"),
  number: new Path("network.iana_number"),
  icmpType: new Path("icmp.type"),
  icmpCode: new Path("icmp.code"),
};

class CommunityIdStage implements Stage {
  readonly #target: Path;
  readonly #ids: CommunityIds;

  constructor(options: Infer<typeof schema>) {
    this.#target = new Path(options.target);
    this.#ids = new CommunityIds(options.seed);
  }

  apply(event: LogEvent): undefined | StageFailure {
    const source = bytesOf(event.get(FIELDS.source));
    const destination = bytesOf(event.get(FIELDS.destination));
    if (source === undefined || source.length !== destination?.length) return undefined;
    const protocol = protocolOf(event);
    if (protocol === undefined) return undefined;
    const isIcmp = protocol === 1 || protocol === 58;
    const from = numberOf(event.get(isIcmp ? FIELDS.icmpType : FIELDS.sourcePort));
    const to = numberOf(event.get(isIcmp ? FIELDS.icmpCode : FIELDS.destinationPort));
    // Without its ports the id would be that of no program.
    if ((from === undefined || to === undefined) && (isIcmp || !PORTLESS.has(protocol))) return undefined;
    const refusal = event.set(this.#target, this.#ids.ofTuple(protocol, source, destination, from, to));
    return refusal === undefined ? undefined : new StageFailure(refusal);
  }
}

/** An event about one TCP or UDP connection that does not say which protocol has none. */
function protocolOf(event: LogEvent): number | undefined {
  const transport = event.get(FIELDS.transport);
  if (typeof transport === "string") return PROTOCOLS.get(transport.toLowerCase());
  const number = Number(event.get(FIELDS.number) ?? NaN);
  return Number.isInteger(number) && number >= 0 && number <= 255 ? number : undefined;
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === "string" ? ipBytes(value) : undefined;
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d{1,5}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= 65_535 ? number : undefined;
}

/** Adds the Community ID. */
export const communityId = defineStage({
  type: "community_id",
  summary: "Adds network.community_id, by which log lines, flows and packets of a connection find each other",
  description: [
    "The [Community ID](https://github.com/corelight/community-id-spec), version 1, of `source.ip`, `source.port`, `destination.ip`, `destination.port` and `network.transport` (or `network.iana_number`); of ICMP `icmp.type` and `icmp.code` in place of the ports. It is the same for both directions, and the same in the events of the source `packet`, Zeek, Suricata, Wireshark and others.",
    "Events in which one of these is missing, or no address, stay as they are.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "A connection, and one whose client's port was not logged",
      options: {},
      input: [
        {
          source: { ip: "128.232.110.120", port: 34_855 },
          destination: { ip: "66.35.250.204", port: 80 },
          network: { transport: "tcp" },
        },
        { source: { ip: "192.0.2.1" }, destination: { ip: "192.0.2.2", port: 80 }, network: { transport: "tcp" } },
      ],
      output: [{ "network.community_id": "1:LQU9qZlK+B5F3KDmev6m5PMibrg=" }, { "network.community_id": null }],
    },
  ],
  create: (options) => new CommunityIdStage(options),
});
