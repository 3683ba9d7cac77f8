import { createReadStream } from "node:fs";
import { gunzipped } from "../../packet/capture/gunzip.ts";
import { filteredCapture } from "../../packet/capture/bpf-filter.ts";
import type { PacketOptions } from "./options.ts";

/** Bytes of a capture file that are read at a time. */
export const READ_BYTES = 256 * 1024;

/** The bytes of a capture file, decompressed, and filtered where a filter is given. */
export function openCaptureFile(
  path: string,
  { filter }: Pick<PacketOptions, "filter">,
): { readonly chunks: AsyncIterable<Uint8Array>; close(): void } {
  const input = createReadStream(path, { highWaterMark: READ_BYTES });
  const plain = gunzipped(input);
  return {
    chunks: filter === undefined ? plain : filteredCapture(plain, filter),
    close: () => input.destroy(),
  };
}
