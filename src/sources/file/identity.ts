import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import type { ResumePoint } from "../../core/component.ts";
import type { OpenFile } from "./gzip-file.ts";
import type { Evidence } from "./rules.ts";

/** Bytes from the beginning of a file that its fingerprint covers, once it has that many. */
export const HEAD_BYTES = 1024;
/** Bytes before a position that are kept to recognise it. */
export const TAIL_BYTES = 64;

/** A beginning this long is another for another file: it has times and numbers in it. */
export const TELLING_BYTES = 128;

/** What the checkpoint keeps of a file generation. */
export interface FileIdentity {
  /** Where it was first seen: `log.file.path` of its events. */
  readonly path: string;
  /** Where it was last, when that is another place. */
  readonly at?: string;
  readonly dev: string;
  readonly ino: string;
  /** When the file was made, nanoseconds since the epoch, where the file system says. */
  readonly born?: string;
  readonly head: Head;
  /** Bytes that were seen to exist, whether or not they were read. Not in checkpoints of 0.1. */
  readonly seen?: number;
  /** When it was last written to, milliseconds since the epoch, as of the last look at it. */
  readonly mtimeMs?: number;
  /** It is about to be deleted: everything of it is delivered. */
  readonly deleting?: true;
  /** It was read to its end and let go of, and is kept to recognise what it is compressed to (`compressed: "read"`). */
  readonly ended?: true;
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
  /** Where the header line begins that is in force (`header_prefix`). */
  readonly header?: number;
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
    [v.at, v.born].every((each) => each === undefined || typeof each === "string") &&
    [v.seen, v.mtimeMs].every((each) => each === undefined || typeof each === "number");
  return fits ? (v as FileIdentity) : undefined;
}

export function parseResume(value: unknown): FileResume | undefined {
  const v = value as Partial<FileResume> | null;
  return typeof v === "object" && v !== null && typeof v.tail === "string" ? (v as FileResume) : undefined;
}

/** Opens for reading. A pipe that took the file's place must not keep a thread waiting for a writer. */
export function openFile(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** Reads up to `length` bytes at `position`; fewer at the end of the file. */
export async function readAt(file: Pick<OpenFile, "read">, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** What a file's content says about whether it is a generation's. */
export interface ContentEvidence extends Pick<Evidence, "shorter" | "headMatches" | "tailsMatch" | "proven"> {
  /** Its first bytes, up to HEAD_BYTES. */
  readonly head: Buffer;
}

/**
 * Compares an open file with what is kept of a generation. `size` is undefined where only reading tells it (a compressed
 * file): such a one is read forward only, and no further than it takes.
 */
export async function examine(
  file: Pick<OpenFile, "read">,
  size: number | undefined,
  kept: { readonly head: Head; readonly points: readonly ResumePoint[] },
): Promise<ContentEvidence> {
  const points = kept.points.filter((point) => point.position > 0).sort((a, b) => a.position - b.position);
  const proven = kept.head.length > 0 && (points.length > 0 || kept.head.length >= TELLING_BYTES);
  const head = await readAt(file, 0, HEAD_BYTES);
  const known = head.subarray(0, kept.head.length);
  const isWhole = known.length === kept.head.length;
  const headMatches = isWhole && (known.length === 0 || headOf(known).hash === kept.head.hash);
  let shorter = !isWhole || (size !== undefined && points.some((point) => point.position > size));
  let tailsMatch = true;
  if (!headMatches && size === undefined) return { shorter, headMatches, tailsMatch, proven, head };
  for (const point of points) {
    const resume = parseResume(point.resume);
    // Without a tail to compare, only whether there is so much.
    const tail = resume === undefined ? undefined : Buffer.from(resume.tail, "base64");
    const length = Math.min(tail?.length || 1, point.position);
    const seen = await readAt(file, point.position - length, length);
    if (seen.length < length) shorter = true;
    else if (tail !== undefined && tail.length > 0 && !seen.equals(tail)) tailsMatch = false;
    if (size === undefined && (shorter || !tailsMatch)) break;
  }
  return { shorter, headMatches, tailsMatch, proven, head };
}
