import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packetFields, readTshark } from "../../../src/codec/tshark/packet.ts";
import { temporaryFolder } from "../../support/folders.ts";
import { exoticFrames, pcap } from "../../support/frames.ts";
import { knownLayers } from "../../support/tshark.ts";
import { ownRecords, tsharkRecords } from "../../support/tshark-records.ts";

type Fields = Record<string, unknown>;

function flat(object: Fields, prefix = "", found: Fields = {}): Fields {
  for (const [key, value] of Object.entries(object)) {
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      flat(value as Fields, `${prefix}${key}.`, found);
    else found[prefix + key] = value;
  }
  return found;
}

/** What tshark sees otherwise, or does not tell, on purpose (docs/packets.md). */
function isSame(name: string, own: unknown, theirs: unknown, frame: Fields): boolean {
  if (name === "frame.protocols") return own === knownLayers(String(theirs));
  if (name === "tags" || name === "@timestamp") return true;
  // Of tunnels and of pieces, and of packets whose headers are not whole.
  if (name === "network.community_id") return theirs === undefined || Array.isArray(frame["source.ip"]);
  return false;
}

test("records of tshark in either format become what our own decoders make of the packets", async (t) => {
  const folder = await temporaryFolder(t);
  const frames = exoticFrames().filter(({ linkType }) => linkType === 1);
  const file = join(folder, "frames.pcap");
  writeFileSync(file, pcap(frames.map(({ frame }) => frame)));
  const own = ownRecords(file).map((each) => flat(each));
  const formats = [
    tsharkRecords(file, "json"),
    tsharkRecords(file, "ek"),
    tsharkRecords(file, "json", ["--no-duplicate-keys"]),
  ];
  for (const records of formats) {
    assert.equal(records.length, frames.length);
    for (const [i, text] of records.entries()) {
      const ours = own[i]!;
      if (ours["tags"] !== undefined) continue;
      const theirs = flat(packetFields(readTshark(text)!, false));
      for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
        if (isSame(name, ours[name], theirs[name], ours)) continue;
        assert.deepEqual(theirs[name], ours[name], `${name} of "${frames[i]!.name}"`);
      }
    }
  }
});
