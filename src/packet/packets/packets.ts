import { t, type Infer } from "../../core/schema.ts";
import type { CaptureInterface } from "../capture/format.ts";
import type { PacketBatch } from "../capture/packet-batch.ts";
import type { HeaderColumns } from "../headers/header-columns.ts";
import { DEFAULT_HTTP_FIELDS, SHOW_CREDENTIALS } from "../http/fields.ts";
import type { DocumentSink, PacketOutput } from "../output.ts";
import { PacketEvents, type PacketEvent } from "../packet-event.ts";
import { PacketJson } from "../packet-json.ts";
import { selectFields, type FieldSelection } from "./field-selection.ts";

export const packetsOptions = t.object({
  fields: t.array(t.string({ minLength: 1, "x-syntax": "field" }), {
    default: [],
    description:
      "The fields to keep, by name; the name of an object keeps all that is in it (`frame`, `source.ip`, `dns`). Empty: all. `@timestamp` stays in any case.",
    examples: [["frame.protocols", "frame.len", "source", "destination", "network.community_id", "dns"]],
  }),
  legacy_names: t.boolean({
    default: false,
    description:
      "Write `bootp` instead of `dhcp`, and `ssl` instead of `tls`, in `frame.protocols`, as tshark did before version 3.",
  }),
  show_credentials: t.boolean({ default: false, description: SHOW_CREDENTIALS }),
});
export type PacketsOptions = Infer<typeof packetsOptions>;

/** The output `packets`: one event a packet. */
export class PacketDocuments implements PacketOutput {
  readonly #events: PacketEvents;
  readonly #json: PacketJson;
  readonly #select: FieldSelection | undefined;
  readonly #hasLegacyNames: boolean;
  #packets = 0;

  constructor(options: PacketsOptions) {
    const http = { ...DEFAULT_HTTP_FIELDS, showCredentials: options.show_credentials };
    this.#events = new PacketEvents(http);
    this.#json = new PacketJson(http);
    this.#select = options.fields.length === 0 ? undefined : selectFields(options.fields);
    this.#hasLegacyNames = options.legacy_names;
  }

  take(batch: PacketBatch, columns: HeaderColumns, interfaces: readonly CaptureInterface[], sink: DocumentSink): void {
    const select = this.#select;
    for (let i = 0; i < batch.count; i++) {
      const from = interfaces[batch.interfaceIndex[i]!];
      const timeMs = batch.seconds[i]! * 1000 + batch.nanoseconds[i]! / 1e6;
      if (select === undefined && !this.#hasLegacyNames) {
        sink.add(this.#json.of(batch, columns, i, from), timeMs);
        continue;
      }
      const event = this.#events.of(batch, columns, i, from);
      if (this.#hasLegacyNames) withLegacyNames(event);
      sink.add(JSON.stringify(select === undefined ? event : select(event)), timeMs);
    }
    this.#packets += batch.count;
  }

  advance(): void {
    // A packet waits for nothing.
  }

  finish(): void {
    // Nothing is open.
  }

  counters(): Readonly<Record<string, number>> {
    return { packets_events: this.#packets };
  }
}

function withLegacyNames(event: PacketEvent): void {
  const { frame } = event;
  frame.protocols = frame.protocols.replace(/\bdhcp$/, "bootp").replace(/\btls$/, "ssl");
}
