import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import type { ResumePoint } from "../../core/component.ts";

/** Bytes from the beginning of a file that its fingerprint covers, once it has that many. */
export const HEAD_BYTES = 1024;
/** Bytes before a position that are kept to recognise it. */
export const TAIL_BYTES = 64;

/** A beginning this long is another for another file: it has times and numbers in it. */
const TELLING_BYTES = 128;

/** What the checkpoint keeps of a file generation. */
export interface FileIdentity {
  /** Where it was first seen: `log.file.path` of its events. */
  readonly path: string;
  /** Where it was last, when that is another place. */
  readonly at?: string;
  readonly dev: string;
  readonly ino: string;
  readonly head: Head;
}

/** A fingerprint from byte 0; it grows with the file up to HEAD_BYTES. */
export interface Head {
  readonly length: number;
  /** SHA-256, its first 16 bytes, base64url. */
  readonly hash: string;
}

/** `LineBatch.resume` of a file. */
export interface FileResume {
  /** The last bytes before the position (up to TAIL_BYTES), base64. */
  readonly tail: string;
  /** The position is inside a line of which the rest is given up. */
  readonly skip?: true;
}

export function headOf(bytes: Buffer): Head {
  return { length: bytes.length, hash: createHash("sha256").update(bytes).digest().toString("base64url", 0, 16) };
}

/** The identity in a checkpoint, or undefined when it is none of ours. */
export function parseIdentity(value: unknown): FileIdentity | undefined {
  const v = value as Partial<FileIdentity> | null;
  if (typeof v !== "object" || v === null) return undefined;
  const fits =
    typeof v.path === "string" &&
    typeof v.dev === "string" &&
    typeof v.ino === "string" &&
    typeof v.head?.length === "number" &&
    typeof v.head.hash === "string" &&
    (v.at === undefined || typeof v.at === "string");
  return fits ? (v as FileIdentity) : undefined;
}

export function parseResume(value: unknown): FileResume | undefined {
  const v = value as Partial<FileResume> | null;
  return typeof v === "object" && v !== null && typeof v.tail === "string" ? (v as FileResume) : undefined;
}

/** What a look at a file showed, compared with what is kept of a generation. */
export interface Evidence {
  readonly samePath: boolean;
  readonly sameInode: boolean;
  /** It ends before a place up to which the generation was read. */
  readonly shorter: boolean;
  readonly headMatches: boolean;
  readonly tailsMatch: boolean;
  /** There was content to compare: something of it was read. */
  readonly proven: boolean;
}

export type Rule =
  "same_file" | "rotated_file" | "copied_file" | "truncated_file" | "new_file_at_old_inode" | "other_file";

/**
 * Whether a file is the one that a generation was read from. Only the first three rules mean that it is. Device and
 * inode alone prove nothing: they are reused after deletion, and stay after truncation.
 */
export function decide(evidence: Evidence): Rule {
  const { samePath, sameInode, shorter, headMatches, tailsMatch, proven } = evidence;
  if (!shorter && headMatches && tailsMatch) {
    if (sameInode) return samePath ? "same_file" : "rotated_file";
    return proven ? "copied_file" : "other_file";
  }
  if (!sameInode) return "other_file";
  return shorter ? "truncated_file" : "new_file_at_old_inode";
}

export function isSame(rule: Rule): boolean {
  return rule === "same_file" || rule === "rotated_file" || rule === "copied_file";
}

/** Opens for reading. A pipe that took the file's place must not keep a thread waiting for a writer. */
export function openFile(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** Reads up to `length` bytes at `position`; fewer at the end of the file. */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Compares an open file with what is kept of a generation. */
export async function examine(
  file: FileHandle,
  size: number,
  kept: { readonly head: Head; readonly points: readonly ResumePoint[] },
): Promise<Pick<Evidence, "shorter" | "headMatches" | "tailsMatch" | "proven">> {
  const points = kept.points.filter((point) => point.position > 0);
  const shorter = size < kept.head.length || points.some((point) => point.position > size);
  const head = await readAt(file, 0, kept.head.length);
  const headMatches = head.length === kept.head.length && (head.length === 0 || headOf(head).hash === kept.head.hash);
  let tailsMatch = true;
  for (const point of points) {
    const resume = parseResume(point.resume);
    if (resume === undefined || point.position > size) continue;
    const tail = Buffer.from(resume.tail, "base64");
    const seen = await readAt(file, Math.max(0, point.position - tail.length), tail.length);
    if (!seen.equals(tail)) tailsMatch = false;
  }
  const proven = kept.head.length > 0 && (points.length > 0 || kept.head.length >= TELLING_BYTES);
  return { shorter, headMatches, tailsMatch, proven };
}
