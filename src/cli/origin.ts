import { createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createGunzip } from "node:zlib";
import type { Splitter } from "../codec/lines.ts";
import { encodingOf } from "../codec/text-encoding.ts";
import { errorMessage } from "../core/error.ts";
import type { SourceConfig } from "../runtime/config/types.ts";
import { splitterFor, type FileRules } from "../sources/file/generation.ts";
import { headOf, parseIdentity, type FileIdentity } from "../sources/file/identity.ts";
import { lineRulesOf } from "../sources/file/index.ts";

/** An event as its source read it. */
export interface OriginalEvent {
  readonly text: string;
  readonly offset: number;
  /** `log.flags`. */
  readonly flags: readonly string[] | undefined;
}

/** How a source cuts its files into events; undefined for one that reads no files. */
export function rulesOf(source: SourceConfig): FileRules | undefined {
  return source.definition.type === "file" ? lineRulesOf(source.options) : undefined;
}

/** Where the file of a partition is now, by its inode and its beginning; or why that cannot be said. */
export async function findFile(identity: unknown): Promise<{ readonly path: string } | { readonly fault: string }> {
  const kept = parseIdentity(identity);
  if (kept === undefined) return { fault: "its source does not read files: what it read is kept nowhere" };
  const first = kept.at ?? kept.path;
  const names = await readdir(dirname(first)).catch((): string[] => []);
  const paths = [first, ...names.map((name) => join(dirname(first), name)).filter((path) => path !== first)];
  for (const path of paths) if ((await hasInode(path, kept)) && (await hasHead(path, kept))) return { path };
  // Compressed, it has another inode.
  for (const path of paths.filter((each) => each.endsWith(".gz")).slice(0, MAX_LOOKS))
    if (await hasHead(path, kept)) return { path };
  return { fault: `${first} is gone, or another file by now` };
}

const MAX_LOOKS = 50;

async function hasInode(path: string, { dev, ino }: FileIdentity): Promise<boolean> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found?.isFile() === true && String(found.dev) === dev && String(found.ino) === ino;
}

async function hasHead(path: string, { head }: FileIdentity): Promise<boolean> {
  if (head.length === 0) return !path.endsWith(".gz");
  const bytes = await readBytes(path, 0, head.length).catch(() => undefined);
  return bytes?.length === head.length && headOf(bytes).hash === head.hash;
}

/** The event that begins at a position of a file, or, with `isNone`, why there is none. Throws what reading throws. */
export async function eventAt(
  path: string,
  position: number,
  rules: FileRules,
): Promise<OriginalEvent | { readonly fault: string; readonly isNone: true }> {
  const splitter = await splitterOf(path, rules);
  const before =
    position === 0 ? Buffer.alloc(0) : await readBytes(path, Math.max(0, position - 4), Math.min(4, position));
  const bytes = await readBytes(path, position, Math.min(splitter.maxEventBytes, MAX_BYTES));
  if (bytes.length === 0) return { fault: `${path} has nothing at byte ${position}: it is shorter`, isNone: true };
  if (!splitter.endsLine(before)) return { fault: `no line begins at byte ${position} of ${path}`, isNone: true };
  const { text, starts, ends, offsets, flags } = splitter.split(bytes, position, "all");
  if (offsets[0] !== position) return { fault: `no event begins at byte ${position} of ${path}`, isNone: true };
  return { text: text.slice(starts[0], ends[0]), offset: position, flags: flags?.get(0) };
}

/** The last events of a file, up to `count` of them and a few megabytes. */
export async function lastEvents(path: string, count: number, rules: FileRules): Promise<OriginalEvent[]> {
  const { size } = await stat(path);
  const isPacked = path.endsWith(".gz");
  // Even, so that no character of UTF-16 is cut.
  const from = isPacked ? 0 : Math.max(0, size - (size % 2) - MAX_BYTES);
  const bytes = await readBytes(path, from, isPacked ? MAX_BYTES : size - from);
  const {
    text,
    starts,
    ends,
    offsets,
    flags,
    count: found,
  } = (await splitterOf(path, rules)).split(bytes, from, "lines");
  const events: OriginalEvent[] = [];
  // The first one may be the end of a longer one.
  for (let i = Math.max(from === 0 ? 0 : 1, found - count); i < found; i++)
    events.push({ text: text.slice(starts[i], ends[i]), offset: offsets[i]!, flags: flags?.get(i) });
  return events;
}

/** Cuts a file as the source that read it does: lines of containers are joined. */
async function splitterOf(path: string, rules: FileRules): Promise<Splitter> {
  const encoding = encodingOf(await readBytes(path, 0, 4), rules.encoding);
  return splitterFor({ ...rules, encoding });
}

const MAX_BYTES = 4 << 20;

/** Up to `length` bytes from a position on; of a file that ends in .gz, of what is packed in it. */
async function readBytes(path: string, position: number, length: number): Promise<Buffer> {
  if (path.endsWith(".gz")) return readPacked(path, position, length);
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function readPacked(path: string, position: number, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let at = 0;
  const file = createReadStream(path);
  const unpacked = file.pipe(createGunzip());
  file.once("error", (error) => unpacked.destroy(error));
  try {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      const from = Math.max(0, position - at);
      if (from < chunk.length) chunks.push(chunk.subarray(from, position + length - at));
      at += chunk.length;
      if (at >= position + length) break;
    }
  } catch (error) {
    // A damaged end does not take away what stands before it.
    if (chunks.length === 0) throw new Error(`cannot unpack ${path}: ${errorMessage(error)}`, { cause: error });
  } finally {
    file.destroy();
  }
  return Buffer.concat(chunks).subarray(0, length);
}
