import assert from "node:assert/strict";
import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";
import { PacketEvents } from "../../src/packet/packet-event.ts";
import { PacketJson } from "../../src/packet/packet-json.ts";

/** Checks that the JSON of every packet of a capture is that of its document. Returns how many there are. */
export function assertSameDocuments(capture: Uint8Array, writer = new PacketJson()): number {
  const reader = new CaptureReader(64);
  const decoder = new HeaderDecoder(64);
  const events = new PacketEvents();
  let count = 0;
  for (const batch of reader.read(capture)) {
    const columns = decoder.decode(batch);
    for (let i = 0; i < batch.count; i++, count++) {
      const from = reader.interfaces[batch.interfaceIndex[i]!];
      assert.equal(writer.of(batch, columns, i, from), JSON.stringify(events.of(batch, columns, i, from)));
    }
  }
  return count;
}
