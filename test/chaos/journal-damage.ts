import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { realFileSystem } from "../../src/disk/journal/file-system.ts";
import { readCursors } from "../../src/disk/journal/cursors.ts";
import { RECORD_HEADER_BYTES } from "../../src/disk/journal/record.ts";
import { parseSegmentName, scanSegment, type FoundRecord } from "../../src/disk/journal/segment.ts";
import { tokensIn } from "./lines.ts";
import { between, pick } from "./world.ts";

/** Which bytes of a record are changed. `documents` changes letters of messages only: what is sent then looks sound. */
export type DamagedPart = "documents" | "head" | "header" | "anywhere";

/** A record that some sink has not settled, and where it lies. */
interface UnsettledRecord extends FoundRecord {
  readonly path: string;
}

/** What the agent has to say that it found, at its next start. */
export interface ExpectedReport {
  /** Between whole records, and records that are missing there. */
  readonly damagedBytes: number;
  readonly lostRecords: number;
  /** Behind the last whole one. Of records there it can count only those whose beginning is sound. */
  readonly tornBytes: number;
  readonly leastTornRecords: number;
  readonly mostTornRecords: number;
}

/** Records of the journal in a state directory that some sink has not settled, as the cursors on disk say. */
export async function unsettledRecords(stateDir: string): Promise<UnsettledRecord[]> {
  const folder = join(stateDir, "journal");
  const { cursors } = await readCursors(realFileSystem, join(folder, "cursors.json"));
  const found: UnsettledRecord[] = [];
  for (const { path, records } of await segments(folder)) {
    for (const record of records) {
      if (record.head.readers.some(({ sink }) => record.sequence >= (cursors.get(sink) ?? 0)))
        found.push({ ...record, path });
    }
  }
  return found;
}

export interface Damage {
  /** Lines of the damaged records. */
  readonly tokens: ReadonlySet<string>;
  /** All lines that wait in the journal: what comes after a damaged record is read again as well. */
  readonly waiting: ReadonlySet<string>;
  readonly records: number;
  readonly expected: ExpectedReport;
}

/**
 * Damages up to `count` unsettled records of the last segment that follow each other, while the agent is down. Returns undefined when
 * there is none.
 */
export async function damageJournal(
  stateDir: string,
  draw: { readonly count: number; readonly part: DamagedPart; readonly isTail: boolean },
  random: () => number,
): Promise<Damage | undefined> {
  const all = await unsettledRecords(stateDir);
  const unsettled = all.filter(({ path }) => path === all.at(-1)?.path);
  if (unsettled.length === 0) return undefined;
  const last = draw.isTail ? unsettled.length : between(random, 1, unsettled.length);
  const damaged = unsettled.slice(Math.max(0, last - draw.count), last);
  const before = await segments(join(stateDir, "journal"));
  const waiting = new Set<string>();
  for (const { path, at, length } of all) {
    const bytes = await readFile(path);
    for (const token of tokensIn(bytes.toString("utf8", at, at + length))) waiting.add(token);
  }
  const tokens = new Set<string>();
  for (const path of new Set(damaged.map((record) => record.path))) {
    const bytes = await readFile(path);
    for (const { at, length, head } of damaged.filter((record) => record.path === path)) {
      const record = bytes.subarray(at, at + length);
      for (const token of tokensIn(record.toString("utf8"))) tokens.add(token);
      const columnsAt = RECORD_HEADER_BYTES + Buffer.byteLength(JSON.stringify(head));
      change(record, draw.part, columnsAt, random);
    }
    await writeFile(path, bytes);
  }
  return { tokens, waiting, records: damaged.length, expected: expectedOf(before, damaged, draw.part) };
}

interface SegmentFile {
  readonly path: string;
  readonly records: readonly FoundRecord[];
  readonly damagedBytes: number;
  readonly tornBytes: number;
  readonly tornRecords: number;
  readonly lostRecords: number;
}

async function segments(folder: string): Promise<SegmentFile[]> {
  const firsts = (await readdir(folder).catch(() => []))
    .map((name) => ({ path: join(folder, name), first: parseSegmentName(name) }))
    .filter((each): each is { path: string; first: number } => each.first !== undefined)
    .sort((a, b) => a.first - b.first);
  const found: SegmentFile[] = [];
  for (const [i, { path, first }] of firsts.entries()) {
    const { records, damagedBytes, tornBytes, tornRecords } = scanSegment(
      await readFile(path).catch(() => Buffer.alloc(0)),
      ...([first, firsts[i + 1]?.first ?? Infinity] as const),
    );
    let lostRecords = 0;
    for (const [j, { sequence }] of records.entries())
      lostRecords += sequence - (j === 0 ? first : records[j - 1]!.sequence + 1);
    found.push({ path, records, damagedBytes, tornBytes, tornRecords, lostRecords });
  }
  return found;
}

function expectedOf(
  before: readonly SegmentFile[],
  damaged: readonly UnsettledRecord[],
  part: DamagedPart,
): ExpectedReport {
  const report = { damagedBytes: 0, lostRecords: 0, tornBytes: 0, leastTornRecords: 0, mostTornRecords: 0 };
  for (const [i, segment] of before.entries()) {
    const isLast = i === before.length - 1;
    const mine = damaged.filter(({ path }) => path === segment.path);
    const behind = segment.records.findLast(({ sequence }) => !mine.some((each) => each.sequence === sequence));
    const tail = mine.filter(({ sequence }) => behind === undefined || sequence > behind.sequence);
    const middle = mine.filter((each) => !tail.includes(each));
    const bytesOf = (records: readonly FoundRecord[]) => records.reduce((sum, { length }) => sum + length, 0);
    report.damagedBytes += segment.damagedBytes + bytesOf(middle);
    report.lostRecords += segment.lostRecords + middle.length;
    const torn = segment.tornBytes + bytesOf(tail);
    const most = segment.tornRecords + tail.length;
    const least = torn === 0 ? 0 : part === "head" || part === "documents" ? Math.max(1, tail.length) : 1;
    if (!isLast) {
      report.damagedBytes += torn;
      report.lostRecords += segment.tornRecords;
      continue;
    }
    report.tornBytes += torn;
    report.leastTornRecords += least;
    report.mostTornRecords += most;
  }
  return report;
}

function change(record: Buffer, part: DamagedPart, columnsAt: number, random: () => number): void {
  const [from, to] = {
    documents: [columnsAt, record.length],
    head: [RECORD_HEADER_BYTES, columnsAt],
    header: [0, RECORD_HEADER_BYTES],
    anywhere: [0, record.length],
  }[part] as [number, number];
  if (part !== "documents") {
    const at = between(random, from, to - 1);
    record[at] = record[at]! ^ pick(random, [1, 2, 4, 8, 16, 32, 64, 128]);
    return;
  }
  // Another letter in the text behind each token: JSON stays JSON, and is a document that nobody refuses.
  const text = record.toString("latin1");
  for (const token of tokensIn(text.slice(from))) {
    let at = text.indexOf(token, from) + token.length;
    while (at < to && record[at] !== QUOTE && !(record[at]! >= B && record[at]! <= Y)) at++;
    if (at < to && record[at] !== QUOTE) record[at] = record[at]! ^ 1;
  }
}

const QUOTE = '"'.charCodeAt(0);
const B = "b".charCodeAt(0);
const Y = "y".charCodeAt(0);
