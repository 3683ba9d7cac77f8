import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { dissect } from "../../src/packet/dissect.ts";
import { FLAG } from "../../src/packet/headers/header-columns.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";

/** What tshark shows without a name, or as one of several alternatives. */
const UNNAMED: ReadonlySet<string> = new Set([
  ...["ip.options", "tcp.options", "dns.data", "tls.handshake.extension.data", "ieee8021ad.etype"],
  // Of pings it takes the time that Linux puts first.
  "data.data",
]);

/** What it calls them where TLS 1.3 encrypts. */
const OTHER_NAMES: Readonly<Record<string, string>> = { "tls.record.content_type": "tls.record.opaque_type" };

/** Names of fields with where they are, by packet, as tshark says. */
function fieldsByTshark(file: string): Set<string>[] {
  // Else it does not look into segments that were sent again, as they are on a busy machine.
  const alone = ["tcp.desegment_tcp_streams", "tcp.analyze_sequence_numbers", "ip.defragment", "ipv6.defragment"];
  const args = ["-r", file, "-n", "-T", "pdml", ...alone.flatMap((each) => ["-o", `${each}:FALSE`])];
  const text = execFileSync("tshark", args, {
    ...{ encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "ignore"] },
  });
  return text
    .split("<packet>")
    .slice(1)
    .map((packet) => {
      const fields = packet.matchAll(/<(?:field|proto) name="([^"]*)"[^>]*? size="(\d+)" pos="(\d+)"/g);
      return new Set([...fields].map(([, name, size, pos]) => `${name} ${pos}+${size}`));
    });
}

/** Checks that every field of every packet of a capture lies where tshark has a field of that name. Returns how many. */
export function assertFieldsAgree(file: string): Map<string, number> {
  const theirs = fieldsByTshark(file);
  const reader = new CaptureReader(1024);
  const decoder = new HeaderDecoder(1024);
  const seen = new Map<string, number>();
  /** The first of each name. */
  const differ = new Map<string, string>();
  for (const batch of reader.read(readFileSync(file))) {
    for (let i = 0; i < batch.count; i++) {
      const there = theirs[batch.firstNumber + i - 1]!;
      const fields = dissect(batch, i, decoder);
      // tshark stops where we go on.
      if ((decoder.columns.flags[i]! & (FLAG.cut | FLAG.malformed)) !== 0) continue;
      for (const { name, offset, length } of fields) {
        seen.set(name, (seen.get(name) ?? 0) + 1);
        const isThere = [name, OTHER_NAMES[name]].some((each) => there.has(`${each} ${offset}+${length}`));
        if (!UNNAMED.has(name) && !isThere) {
          const like = [...there].filter((each) => each.startsWith(`${name} `));
          const where = `packet ${batch.firstNumber + i}: ${name} ${offset}+${length}; tshark: ${like.join(", ")}`;
          differ.set(name, differ.get(name) ?? where);
        }
      }
    }
  }
  assert.deepEqual([...differ.values()], []);
  return seen;
}
