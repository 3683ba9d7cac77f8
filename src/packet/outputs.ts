import type { Schema } from "../core/schema.ts";
import { FlowOutput } from "./flows/flow-output.ts";
import { flowsOptions, toFlowOptions } from "./flows/flows-options.ts";
import type { PacketOutput } from "./output.ts";
import { PacketDocuments, packetsOptions } from "./packets/packets.ts";
import { StatsOutput, statsOptions } from "./stats/stats-output.ts";
import { Transactions } from "./transactions/transactions.ts";
import { transactionsOptions } from "./transactions/transactions-options.ts";

/** Something that can be made of packets: see PacketOutput. */
interface OutputDefinition<O = never> {
  /** What it does, as the rest of a sentence that begins with its name. */
  readonly summary: string;
  /** Options, all with defaults. */
  readonly schema: Schema<O>;
  /** Makes one for one capture. */
  create(options: O, machine: CapturingMachine): PacketOutput;
}

/** What is known of the machine where a capture is made; nothing for captures that were made elsewhere. */
export interface CapturingMachine {
  /** Whether an address, as ECS writes it, is one of its own. */
  readonly isOwn?: ((ip: string) => boolean) | undefined;
}

function define<O>(definition: OutputDefinition<O>): OutputDefinition<O> {
  return definition;
}

/** Every output there is, by its name in configurations. To add one, put it here. */
export const PACKET_OUTPUTS = {
  packets: define({
    summary: "one event a packet",
    schema: packetsOptions,
    create: (options) => new PacketDocuments(options),
  }),
  flows: define({
    summary: "one event a conversation, when it is over, and what there is of it now and then",
    schema: flowsOptions,
    create: (options, machine) => new FlowOutput(toFlowOptions(options, machine.isOwn)),
  }),
  stats: define({
    summary: "packets and bytes a second by protocol and interface, as metrics",
    schema: statsOptions,
    create: (options) => new StatsOutput(options),
  }),
  transactions: define({
    summary: "one event a question and its answer: DNS, HTTP, TLS, DHCP, ICMP, ARP, NTP",
    schema: transactionsOptions,
    create: (options) => new Transactions(options),
  }),
};

export type OutputName = keyof typeof PACKET_OUTPUTS;
export const OUTPUT_NAMES = Object.keys(PACKET_OUTPUTS) as [OutputName, ...OutputName[]];

/** Makes an output for one capture. `options` are validated ones; those that are missing have their defaults. */
export function createOutput(name: OutputName, options: unknown, machine: CapturingMachine = {}): PacketOutput {
  const definition = PACKET_OUTPUTS[name];
  const given = options as object | undefined;
  return definition.create({ ...defaultsOf(definition.schema), ...given } as never, machine);
}

/** The defaults of a schema of which every property has one. */
function defaultsOf(schema: Schema<unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
      property.default === undefined ? [] : [[name, property.default]],
    ),
  );
}
