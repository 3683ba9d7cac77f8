import type { Schema } from "../core/schema.ts";
import type { PacketOutput } from "./output.ts";
import { PacketDocuments, packetsOptions } from "./packets/packets.ts";

/** Something that can be made of packets: see PacketOutput. */
interface OutputDefinition<O = never> {
  /** What it does, as the rest of a sentence that begins with its name. */
  readonly summary: string;
  /** Options, all with defaults. */
  readonly schema: Schema<O>;
  /** Makes one for one capture. */
  create(options: O): PacketOutput;
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
};

export type OutputName = keyof typeof PACKET_OUTPUTS;
export const OUTPUT_NAMES = Object.keys(PACKET_OUTPUTS) as [OutputName, ...OutputName[]];

/** Makes an output for one capture. `options` are validated ones, or none. */
export function createOutput(name: OutputName, options: unknown): PacketOutput {
  const definition = PACKET_OUTPUTS[name];
  return definition.create((options ?? defaultsOf(definition.schema)) as never);
}

/** The defaults of a schema of which every property has one. */
function defaultsOf(schema: Schema<unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
      property.default === undefined ? [] : [[name, property.default]],
    ),
  );
}
