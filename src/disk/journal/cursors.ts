import { errorMessage } from "../../core/error.ts";
import type { JournalFileSystem } from "./file-system.ts";

/**
 * `cursors.json` of a journal, replaced as a whole:
 *
 *     { "format": 1, "next": 124, "cursors": { "<sink identity>": 123 } }
 *
 * Every record for a sink before its cursor is settled. No later record has a sequence number below `next`.
 */
export interface CursorData {
  readonly next: number;
  readonly cursors: ReadonlyMap<string, number>;
}

/** Reads it. Where it is damaged, every sink begins at the oldest record, and `damage` says why. */
export async function readCursors(
  fileSystem: JournalFileSystem,
  path: string,
): Promise<CursorData & { readonly damage: string | undefined }> {
  const bytes = await fileSystem.readAll(path);
  const none = { next: 0, cursors: new Map<string, number>() };
  if (bytes === undefined) return { ...none, damage: undefined };
  try {
    const value = JSON.parse(bytes.toString("utf8")) as { format?: unknown; next?: unknown; cursors?: unknown };
    if (value.format !== 1 || !isSequence(value.next)) throw new Error("not a file of cursors of format 1");
    const entries = Object.entries((value.cursors ?? {}) as Record<string, unknown>);
    if (!entries.every((entry): entry is [string, number] => isSequence(entry[1])))
      throw new Error("a cursor is not a sequence number");
    return { next: value.next, cursors: new Map(entries), damage: undefined };
  } catch (error) {
    return { ...none, damage: `${path} is damaged (${errorMessage(error)})` };
  }
}

/** Writes it: atomic, synced. */
export async function writeCursors(fileSystem: JournalFileSystem, path: string, data: CursorData): Promise<void> {
  const json = { format: 1, next: data.next, cursors: Object.fromEntries(data.cursors) };
  await fileSystem.replace(path, JSON.stringify(json) + "\n");
}

function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
