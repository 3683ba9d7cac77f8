import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { gunzipped } from "../../packet/capture/gunzip.ts";

/** Bytes of the beginning that are looked at: packets have their times in them, so a few would do. */
const BEGINNING_BYTES = 64 * 1024;

/**
 * What a capture file holds, in short: a hash of its first 64 KiB and of its size, both decompressed. The same for a copy,
 * a renamed file, and one that was compressed by gzip since (as one member of less than 4 GiB).
 */
export async function captureFingerprint(path: string): Promise<string> {
  const hash = createHash("sha256");
  const input = createReadStream(path, { end: BEGINNING_BYTES - 1 });
  let left = BEGINNING_BYTES;
  try {
    for await (const chunk of gunzipped(input)) {
      hash.update(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
      if (left === 0) break;
    }
  } catch (error) {
    // The compressed beginning ends somewhere: what came before that counts.
    if (!(error as NodeJS.ErrnoException).code?.startsWith("Z_")) throw error;
  } finally {
    input.destroy();
  }
  hash.update(String(await decompressedSize(path)));
  return hash.digest("base64url");
}

/** Modulo 2^32; RFC 1952 section 2.3.1: the last four bytes of a gzip member. */
async function decompressedSize(path: string): Promise<number> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const head = Buffer.alloc(4);
    await file.read(head, 0, 2, 0);
    if (head.readUInt16BE() !== 0x1f8b || size < 18) return size % 2 ** 32;
    await file.read(head, 0, 4, size - 4);
    return head.readUInt32LE();
  } finally {
    await file.close();
  }
}

/** The id of the partition of one output of a capture file: always the same for the same source and options. */
export function partitionIdOf(source: string, output: string, options: string, fingerprint: string): string {
  const hash = createHash("sha256").update(JSON.stringify([source, output, options, fingerprint]));
  return hash.digest("base64url").slice(0, 16);
}
