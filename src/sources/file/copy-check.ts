import { basename, dirname } from "node:path";
import type { PathState } from "./file-table.ts";
import type { Generation } from "./generation.ts";
import { HEAD_BYTES, openFile, readAt } from "./identity.ts";
import { isRotatedName } from "./rotated-name.ts";
import { isGone, LOOK_INTERVAL_MS, type Tracking } from "./tracking.ts";

/**
 * copytruncate makes the copy before it truncates. A new file whose beginning equals that of a file next to it is not
 * read while it grows and for the grace time after: if that file is truncated, this is its continuation.
 */
export async function isCopyInProgress(
  state: PathState,
  key: string,
  size: bigint,
  { context, options, table }: Tracking,
): Promise<boolean> {
  const nowMs = context.monotonicMs();
  if (state.copyKey !== key) state.copyUntilMs = undefined;
  state.copyKey = key;
  const originals = [...table.generations].filter(
    (gen) =>
      dirname(gen.place.path) === dirname(state.path) && isRotatedName(basename(state.path), basename(gen.place.path)),
  );
  if (originals.length === 0) return false;
  let head: Buffer;
  try {
    const handle = await openFile(state.path);
    try {
      head = await readAt(handle, 0, HEAD_BYTES);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isGone(error)) return false;
    // A copy is made for its maker alone, and given the original's owner and mode in the next moment.
    head = Buffer.alloc(0);
  }
  // Of one that is not open yet the beginning is not known: it is waited for. So it is of a copy that has just been made
  // and has nothing in it yet.
  const alike = originals.filter((gen) => {
    const length = Math.min(head.length, gen.head.length);
    return length === 0
      ? head.length === 0 || !gen.announced
      : head.subarray(0, length).equals(gen.head.subarray(0, length));
  });
  if (alike.length === 0) return false;
  const isUnsure = (await Promise.all(alike.map(mayBeTruncated))).some(Boolean);
  const { copyUntilMs } = state;
  if (isUnsure || copyUntilMs === undefined || size !== state.copySize)
    state.copyUntilMs = nowMs + options.rotateGraceMs;
  else if (nowMs >= copyUntilMs) return false;
  state.copySize = size;
  state.lookAtMs = nowMs + LOOK_INTERVAL_MS;
  return true;
}

/**
 * Whether the file of a generation is not known to hold what was read of it: it was truncated, or cannot be read at present,
 * and its reader, who may be waiting for room, has not seen that yet.
 */
async function mayBeTruncated(gen: Generation): Promise<boolean> {
  if (gen.error !== undefined || gen.truncated) return true;
  if (gen.compressed !== undefined) return false;
  try {
    if (gen.handle !== undefined) return !(await gen.holdsContent());
    const handle = await openFile(gen.place.path);
    try {
      return !(await gen.holdsContent(handle));
    } finally {
      await handle.close();
    }
  } catch {
    return true;
  }
}
