import { open, mkdir, readFile, stat } from "node:fs/promises";
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { chaosLine, type ChaosLine, type LineStyle } from "./lines.ts";

/** A line that was destroyed before the agent had read it: it may be missing. */
export interface Unreadable {
  readonly token: string;
  readonly why: string;
}

/** A log that grows, under one name, through several files: truth is kept of what is in the present one. */
export class LogFile {
  /** Part of every token; letters and digits. */
  readonly name: string;
  readonly path: string;
  readonly style: LineStyle;
  /** Lines written. */
  count = 0;
  /** When it was rotated last, milliseconds since the epoch. */
  rotatedAtMs = 0;
  /** The first line of the present file, and where each line ends in it. */
  #firstLine = 0;
  #ends: number[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(name: string, path: string, style: LineStyle) {
    this.name = name;
    this.path = path;
    this.style = style;
  }

  /** Runs `task` while nobody else writes, rotates or removes this log. */
  alone<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(task);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Bytes in the present file. */
  get size(): number {
    return this.#ends.at(-1) ?? 0;
  }

  line(number: number): ChaosLine {
    return chaosLine(this.name, this.style, number);
  }

  /** Appends lines, opened by name as an application does after a rotation. Only within `alone`. */
  async append(lines: number): Promise<void> {
    const parts: Buffer[] = [];
    for (let i = 0; i < lines; i++) parts.push(this.#next());
    await this.#write(Buffer.concat(parts));
  }

  /** Appends one line in two writes, cut inside a character where there is one of several bytes. Only within `alone`. */
  async appendInHalves(pause: () => Promise<void>): Promise<void> {
    const bytes = this.#next();
    let cut = bytes.findIndex((byte, i) => i > 40 && (byte & 0xc0) === 0x80);
    if (cut < 0) cut = bytes.length >> 1;
    await this.#write(bytes.subarray(0, cut));
    await pause();
    await this.#write(bytes.subarray(cut));
  }

  /** Appends a line of `length` bytes. Only within `alone`. */
  async appendHuge(length: number): Promise<void> {
    const head = Buffer.from(`${this.line(this.count).token} `);
    this.count++;
    this.#ends.push(this.size + length + 1);
    const block = Buffer.alloc(1 << 20, "x");
    const file = await this.#open();
    try {
      await file.appendFile(head);
      for (let left = length - head.length; left > 0; left -= block.length)
        await file.appendFile(block.subarray(0, left));
      await file.appendFile("\n");
    } finally {
      await file.close();
    }
  }

  /** The next write goes to a new file, or to an emptied one. */
  newFile(): void {
    this.#firstLine = this.count;
    this.#ends = [];
  }

  /** Tokens of the present file that end after a position. */
  after(position: number): string[] {
    const first = this.#ends.findIndex((end) => end > position);
    if (first < 0) return [];
    return this.#ends.slice(first).map((_, i) => this.line(this.#firstLine + first + i).token);
  }

  #next(): Buffer {
    const { bytes } = this.line(this.count++);
    this.#ends.push(this.size + bytes.length + 1);
    return Buffer.concat([bytes, Buffer.from("\n")]);
  }

  async #write(bytes: Buffer): Promise<void> {
    const file = await this.#open();
    try {
      await file.appendFile(bytes);
    } finally {
      await file.close();
    }
  }

  async #open() {
    await mkdir(dirname(this.path), { recursive: true });
    return open(this.path, "a", 0o644);
  }
}

/**
 * Up to where every sink has what is in a file, as the agent's checkpoint on disk says; undefined when it does not know
 * the file. A file is told by the fingerprint of its beginning, because what is under a name may be another one by now.
 */
export async function settledPosition(stateDir: string, path: string): Promise<number | undefined> {
  interface Entry {
    identity?: { ino?: string; head?: { length: number; hash: string } };
    routes: Record<string, [number, unknown]>;
  }
  let entries: Entry[];
  try {
    const text = await readFile(`${stateDir}/checkpoints.json`, "utf8");
    entries = Object.values((JSON.parse(text) as { partitions: Record<string, Entry> }).partitions);
  } catch {
    return undefined;
  }
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  const ino = String((await stat(path).catch(() => undefined))?.ino);
  let lowest = Infinity;
  for (const { identity, routes } of entries) {
    const head = identity?.head;
    if (head === undefined || head.length === 0 || head.length > bytes.length || identity?.ino !== ino) continue;
    const hash = createHash("sha256").update(bytes.subarray(0, head.length)).digest().toString("base64url", 0, 16);
    if (hash === head.hash) lowest = Math.min(lowest, ...Object.values(routes).map(([position]) => position));
  }
  return lowest === Infinity ? undefined : lowest;
}
