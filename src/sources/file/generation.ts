import { randomBytes } from "node:crypto";
import { fstatSync, type BigIntStats } from "node:fs";
import type { Partition } from "../../core/batch.ts";
import type { ResumePoint } from "../../core/component.ts";
import type { Envelope } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { HeaderSplitter, MAX_HEADER_BYTES, type HeaderLine } from "../../codec/header-lines.ts";
import { ContainerSplitter, type ContainerFormat } from "../../codec/container-lines.ts";
import { LineSplitter, type LineRules, type Splitter } from "../../codec/lines.ts";
import { encodingOf } from "../../codec/text-encoding.ts";
import { GzipFile, isGzip, type OpenFile } from "./gzip-file.ts";
import {
  HEAD_BYTES,
  headOf,
  openFile,
  readAt,
  TAIL_BYTES,
  type FileIdentity,
  type FileResume,
  type Head,
} from "./identity.ts";

/** How files are cut into events. */
export interface FileRules extends LineRules {
  /** They are logs that a container's runtime wrote. */
  readonly container?: ContainerFormat | undefined;
  /** Lines that begin so describe those after them; see HeaderSplitter. */
  readonly headerPrefix?: string | undefined;
}

const HEADER = new Path("log.header");

/** Where a file is on disk. */
export interface Place {
  readonly path: string;
  readonly dev: string;
  readonly ino: string;
  /** When the file was made, nanoseconds since the epoch; "" where the file system does not say. */
  readonly born: string;
}

export function placeOf(path: string, stats: BigIntStats): Place {
  const born = stats.birthtimeNs > 0n ? String(stats.birthtimeNs) : "";
  return { path, dev: String(stats.dev), ino: String(stats.ino), born };
}

export function placeKey(place: { readonly dev: string | bigint; readonly ino: string | bigint }): string {
  return `${place.dev}:${place.ino}`;
}

/** 96 random bits: never the same for two generations. */
export function newGenerationId(): string {
  return randomBytes(12).toString("base64url");
}

/**
 * One life of one file: from its first byte until it is truncated, replaced or deleted. Rotation does not end it.
 * Only holds state; the tracker decides about it, the reader reads it.
 */
export class Generation {
  readonly id: string;
  /** `log.file.path`: where it was first seen. */
  readonly firstPath: string;
  partition: Partition;
  /** Its partition's envelope has all that is said of the file. */
  isDescribed = false;
  splitter: Splitter;
  place: Place;
  handle: OpenFile | undefined = undefined;
  /** Everything before was handed over, or given up and counted. */
  position = 0;
  /** The last bytes before `position`, as they were read. */
  readonly tail: Buffer = Buffer.alloc(TAIL_BYTES);
  tailLength = 0;
  /** The first bytes of the file, up to HEAD_BYTES. */
  head: Buffer = Buffer.alloc(0);
  /** The furthest byte of this content that was ever seen to exist. */
  seenEnd = 0;
  /** The size at the last look, when the file was closed: perhaps that of another content. */
  unverifiedEnd = 0;
  /** When the file was last written to, milliseconds since the epoch, as of the last look. */
  mtimeMs = 0;
  /** Bytes at its end that were seen and counted as dropped, and not yet talked about. */
  lostBytes = 0;
  /** `seenEnd` as the checkpoint has it. */
  notedEnd = 0;
  /** `size:mtime` at the last look at the path. */
  lookedAt = "";
  lastGrowthMs = 0;
  lastUsedMs = 0;
  /** Positions of other routes ahead of us: events must not reach across them, or their ids would change. */
  boundaries: number[] = [];
  /** Bytes of it that are worked on at a time: fewer where events are very short. */
  chunkBytes = Infinity;
  /** Bytes consumed that no batch has counted yet. */
  uncounted = 0;
  /** Its checkpoint has a fingerprint of its content, so that its events may go out. */
  hasKnownHead = false;
  /** The file was seen to be shorter than what was read of it, although it may have grown again since. */
  truncated = false;
  /** Opened with the runtime, so it may be read. */
  announced = false;
  /** Its predecessor under the same path, which is read to its end first. */
  blockedBy: Generation | undefined = undefined;
  /** No path of ours leads to it any more (rotated out of the globs, or deleted). */
  detachedAtMs: number | undefined = undefined;
  /** It was read to its end after it lost its path. */
  drained = false;
  /** When it may be tried to delete it (again), `monotonicMs`. */
  deleteAtMs = 0;
  /** Nothing more comes: read what is there, half lines included, and let go of it. */
  closing = false;
  ended = false;
  queued = false;
  busy = false;
  again = false;
  error: string | undefined = undefined;
  retryAtMs = 0;
  /** How often it failed since it was last read, and when that began and was last said, `monotonicMs`. */
  failures = 0;
  failingSinceMs = 0;
  saidMs = 0;
  #headOf: Head | undefined = undefined;
  #underHeader: { readonly header: HeaderLine; readonly base: Partition; readonly partition: Partition } | undefined =
    undefined;
  readonly #rules: FileRules;
  #encoding: LineRules["encoding"];
  /** What the open file said when it was asked last (`isUntouched`). */
  #asked:
    | { readonly handle: OpenFile; readonly size: number; readonly mtimeMs: number; readonly ctimeMs: number }
    | undefined = undefined;

  constructor(id: string, firstPath: string, place: Place, source: string, envelope: Envelope, rules: FileRules) {
    this.id = id;
    this.firstPath = firstPath;
    this.place = place;
    this.partition = { id, source, envelope };
    this.#rules = rules;
    this.#encoding = rules.encoding;
    this.splitter = splitterFor(rules);
  }

  /** A byte order mark among the first bytes wins over the encoding that was given. Before anything of it is split. */
  sense(first: Buffer): void {
    const encoding = encodingOf(first, this.#rules.encoding);
    if (encoding === this.#encoding) return;
    this.#encoding = encoding;
    this.splitter = splitterFor({ ...this.#rules, encoding });
  }

  get key(): string {
    return placeKey(this.place);
  }

  /** Bytes that were seen but wait for more: a half line or an open multiline event. */
  get pendingBytes(): number {
    return Math.max(0, this.seenEnd - this.position);
  }

  /** Bytes consumed of an event that was not handed out yet. */
  get heldBytes(): number {
    return this.splitter.holding ? this.uncounted : 0;
  }

  /** Its content is what a compressed file unpacks to: it does not grow, and its size on disk says nothing. */
  get compressed(): GzipFile | undefined {
    return this.handle instanceof GzipFile ? this.handle : undefined;
  }

  /** How large the file is now, whether or not anybody has read or looked; where that cannot be said, what was seen. */
  presentEnd(): number {
    const { compressed } = this;
    if (compressed !== undefined) return Math.max(compressed.unpackedBytes, this.position);
    try {
      const size = this.handle === undefined ? undefined : fstatSync(this.handle.fd).size;
      return Math.max(size ?? this.seenEnd, this.position);
    } catch {
      return this.seenEnd;
    }
  }

  /**
   * Whether the open file is as it was when this was asked before: its size, and the times of writing and of any other
   * change (a rename, a link less). False when it is not open, and when it is asked for the first time.
   */
  isUntouched(): boolean {
    const { handle } = this;
    const before = this.#asked;
    this.#asked = undefined;
    if (handle === undefined || this.compressed !== undefined) return false;
    let now;
    try {
      now = fstatSync(handle.fd);
    } catch {
      return false;
    }
    const { size, mtimeMs, ctimeMs } = now;
    this.#asked = { handle, size, mtimeMs, ctimeMs };
    if (before?.handle !== handle) return false;
    return before.size === size && before.mtimeMs === mtimeMs && before.ctimeMs === ctimeMs;
  }

  /** Notes how the open file is, so that a look at its path which shows the same is no reason to read. Returns its size. */
  noteLook(): number {
    const { size, mtimeNs } = fstatSync(this.handle!.fd, { bigint: true });
    this.lookedAt = `${size}:${mtimeNs}`;
    return Number(size);
  }

  /** What the checkpoint is to keep of it. */
  identity(): FileIdentity {
    const { path, dev, ino, born } = this.place;
    if (this.#headOf?.length !== this.head.length) this.#headOf = headOf(this.head);
    this.notedEnd = this.seenEnd;
    return {
      path: this.firstPath,
      ...(path === this.firstPath ? {} : { at: path }),
      ...{ dev, ino },
      ...(born === "" ? {} : { born }),
      head: this.#headOf,
      seen: this.seenEnd,
      ...(this.mtimeMs === 0 ? {} : { mtimeMs: this.mtimeMs }),
    };
  }

  resume(): FileResume {
    const tail = this.tail.toString("base64", 0, this.tailLength);
    const header = this.#header?.offset;
    return {
      tail,
      ...(this.splitter.skipping ? { skip: true } : {}),
      ...(header === undefined ? {} : { header }),
    };
  }

  /** The present place as a point, for comparing with files on disk. */
  point(): ResumePoint {
    return { position: this.position, resume: this.resume() };
  }

  /** Sets the position of an open file that was verified. */
  async startAt(position: number, skip: boolean): Promise<void> {
    const length = Math.min(TAIL_BYTES, position);
    const bytes = await readAt(this.handle!, position - length, length);
    // Reading on without the bytes to compare would never notice that this is another content.
    if (bytes.length < length) throw Object.assign(new Error("truncated while it was opened"), { code: "ENOENT" });
    bytes.copy(this.tail);
    this.tailLength = bytes.length;
    this.position = position;
    this.seenEnd = Math.max(this.seenEnd, position);
    this.sense(this.head);
    this.splitter.skipping = skip;
    this.splitter.midLine = !skip && !this.splitter.endsLine(bytes);
  }

  get #header(): HeaderLine | undefined {
    return this.splitter instanceof HeaderSplitter ? this.splitter.header : undefined;
  }

  /** The partition for events that were split last: with the header line that is in force, if there is one. */
  get partitionInForce(): Partition {
    const header = this.#header;
    if (header === undefined) return this.partition;
    if (this.#underHeader?.header !== header || this.#underHeader.base !== this.partition) {
      const { envelope } = this.partition;
      const paths = [...envelope.paths, HEADER];
      const values = [...envelope.values, header.text];
      const partition = { ...this.partition, envelope: { ...envelope, paths, values } };
      this.#underHeader = { header, base: this.partition, partition };
    }
    return this.#underHeader.partition;
  }

  /**
   * Reads the header line again that is in force at the position: where the checkpoint says, or, where it does not know,
   * the last one in the first bytes of the file.
   */
  async recallHeader(offset: number | undefined): Promise<void> {
    const { splitter, position } = this;
    if (!(splitter instanceof HeaderSplitter) || position === 0) return;
    const from = offset ?? 0;
    const bytes = await readAt(this.handle!, from, Math.min(MAX_HEADER_BYTES, position - from));
    const again = splitterFor({ ...this.#rules, encoding: this.#encoding, container: undefined }) as HeaderSplitter;
    for (let at = 0; at < bytes.length;) {
      const { consumed } = again.split(bytes.subarray(at), from + at, "open");
      if (consumed === 0 || (offset !== undefined && again.header !== undefined)) break;
      at += consumed;
    }
    splitter.header = again.header;
  }

  /** Whether the file still holds what was read of it, as far as the last bytes before the position say. */
  async holdsContent(file: OpenFile = this.handle!): Promise<boolean> {
    const { position, tailLength } = this;
    const known = Buffer.from(position === 0 ? this.head : this.tail.subarray(0, tailLength));
    const seen = await readAt(file, position === 0 ? 0 : position - tailLength, known.length);
    return seen.equals(known);
  }

  /** Reads more of the head where the file has grown. Returns whether it did. */
  async growHead(): Promise<boolean> {
    if (this.head.length >= HEAD_BYTES || this.seenEnd <= this.head.length || this.handle === undefined) return false;
    const head = await readAt(this.handle, 0, HEAD_BYTES);
    // Of a file that was truncated in between this would be another file's head.
    if (head.length <= this.head.length || !head.subarray(0, this.head.length).equals(this.head)) return false;
    this.head = head;
    return true;
  }

  /** Opens what is at a path; returns its size. With `unpack` a gzip file is read as what it unpacks to. */
  async openAt(path: string, unpack = false): Promise<number> {
    const handle = await openFile(path);
    try {
      const stats = await handle.stat({ bigint: true });
      if (!stats.isFile()) throw new Error("not a regular file");
      this.place = placeOf(path, stats);
      this.mtimeMs = Number(stats.mtimeMs);
      if (unpack && isGzip(await readAt(handle, 0, 3))) {
        const gzip = await GzipFile.open(handle);
        this.handle = gzip;
        return gzip.unpackedBytes;
      }
      this.handle = handle;
      return Number(stats.size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const handle = this.handle;
    this.handle = undefined;
    await handle?.close().catch(() => undefined);
  }
}

/** What cuts the bytes of a file into events. */
export function splitterFor(rules: FileRules): Splitter {
  const { container, headerPrefix } = rules;
  const lines = container === undefined ? new LineSplitter(rules) : new ContainerSplitter(rules, container);
  return headerPrefix === undefined ? lines : new HeaderSplitter(lines, headerPrefix, rules.encoding);
}
