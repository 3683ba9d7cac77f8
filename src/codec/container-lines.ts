import { LineSplitter, TRUNCATED, type LineRules, type Split, type SplitEnd, type Splitter } from "./lines.ts";
import { continues } from "./multiline.ts";

/**
 * How a container's runtime writes logs. `docker`: its json-file driver, an object a line, whose `log` ends with a newline
 * unless the next object goes on with it. `cri`: `TIME STREAM TAGS TEXT`, with the tag P where the next line goes on
 * (Kubernetes' CRI logging format, also Podman's k8s-file). `auto` takes each line for what it looks like.
 */
export type ContainerFormat = "auto" | "docker" | "cri";

/** One record: where its text lies in the line, as it is written there. */
interface RecordLine {
  readonly isDocker: boolean;
  /** 0 for standard output, 1 for standard error. */
  readonly stream: 0 | 1;
  readonly isPartial: boolean;
  readonly from: number;
  readonly to: number;
  /** The line, when `from` and `to` do not count in the split's text. */
  readonly line?: string;
}

/** Lines that become one event; the first comes first in the file, others may lie between. */
interface Group {
  readonly first: number;
  readonly parts: { readonly line: number; readonly record: RecordLine }[];
  bytes: number;
  flags: readonly string[] | undefined;
}

const DOCKER_START = '{"log":"';
const DOCKER_END = '","stream":"';
const MULTILINE: readonly string[] = ["multiline"];
const MULTILINE_CUT: readonly string[] = ["multiline", "truncated"];

/**
 * Cuts the logs of containers into events: a line that the runtime had to split is joined again, by stream, and then, with
 * `multiline`, lines that belong together. An event is one record in the same format, at the offset of its first line;
 * what is no record is an event as it is. What waits for its end is not consumed, and nothing after it: so positions are
 * only where nothing is open, and reading may begin there again.
 *
 * Lines that are joined have at most `maxLineBytes` together: what is longer is cut between two of them and flagged.
 */
export class ContainerSplitter implements Splitter {
  readonly #lines: LineSplitter;
  readonly #rules: LineRules;
  readonly #format: ContainerFormat;
  /** The next place in the text that is looked at where DOCKER_END is. */
  #endAt = -1;

  constructor(rules: LineRules, format: ContainerFormat) {
    this.#rules = rules;
    this.#format = format;
    this.#lines = new LineSplitter({ ...rules, multiline: undefined });
  }

  get maxEventBytes(): number {
    return 3 * (this.#lines.maxEventBytes + (this.#rules.multiline?.maxBytes ?? 0));
  }
  get holding(): boolean {
    return this.#lines.holding;
  }
  get skipping(): boolean {
    return this.#lines.skipping;
  }
  set skipping(value: boolean) {
    this.#lines.skipping = value;
  }
  get midLine(): boolean {
    return this.#lines.midLine;
  }
  set midLine(value: boolean) {
    this.#lines.midLine = value;
  }

  endsLine(bytes: Buffer): boolean {
    return this.#lines.endsLine(bytes);
  }

  split(bytes: Buffer, position: number, end: SplitEnd): Split {
    const split = this.#lines.split(bytes, position, end);
    if (split.count === 0) return split;
    const { text, starts, ends } = split;
    const records: (RecordLine | undefined)[] = [];
    let isPlain = this.#rules.multiline === undefined;
    this.#endAt = -1;
    for (let i = 0; i < split.count; i++) {
      const record = split.flags?.has(i) === true ? undefined : this.#recordIn(text, starts[i]!, ends[i]!);
      records.push(record);
      if (record?.isPartial === true) isPlain = false;
    }
    if (isPlain) return split;
    // What follows is longer than a line may be: that ends what is open, and cannot be waited for.
    const isOpen = end === "open" && bytes.length - split.consumed <= this.#rules.maxLineBytes + 2;
    return this.#join(split, records, position, isOpen);
  }

  #join(split: Split, records: readonly (RecordLine | undefined)[], position: number, keepOpen: boolean): Split {
    const { multiline, maxLineBytes } = this.#rules;
    const { offsets } = split;
    const endOffset = position + split.consumed;
    const maxBytes = multiline === undefined ? maxLineBytes : Math.max(maxLineBytes, multiline.maxBytes);
    const groups: Group[] = [];
    const open: [Group | undefined, Group | undefined] = [undefined, undefined];
    let cleanCount = 0;
    let cleanOffset = offsets[0]!;
    const close = (stream: 0 | 1, flags?: readonly string[]): void => {
      const group = open[stream];
      open[stream] = undefined;
      if (group === undefined) return;
      const isJoined = group.flags === MULTILINE;
      if (flags !== undefined || isPartial(group)) group.flags = isJoined ? MULTILINE_CUT : TRUNCATED;
    };
    for (let i = 0; i < records.length; i++) {
      const record = records[i];
      const nextOffset = i + 1 < records.length ? offsets[i + 1]! : endOffset;
      const bytes = nextOffset - offsets[i]!;
      if (record === undefined) {
        close(0);
        close(1);
      } else {
        const { stream } = record;
        const other = (1 - stream) as 0 | 1;
        // A line of the other stream ends an event of several lines, but not a line that is still to be joined.
        if (open[other] !== undefined && !isPartial(open[other])) close(other);
        const group = open[stream];
        if (group !== undefined) {
          const isAlike = group.parts[0]!.record.isDocker === record.isDocker;
          const isMore = multiline !== undefined && continues(textOf(split, record), multiline);
          const goesOn = isAlike && (isPartial(group) || isMore);
          const isFull =
            group.bytes + bytes > maxBytes || (multiline !== undefined && group.parts.length >= multiline.maxLines);
          if (!goesOn) close(stream);
          else if (isFull) close(stream, TRUNCATED);
        }
        if (nextOffset - cleanOffset > 2 * maxBytes) {
          close(0, TRUNCATED);
          close(1, TRUNCATED);
        }
      }
      if (open[0] === undefined && open[1] === undefined) {
        cleanCount = groups.length;
        cleanOffset = offsets[i]!;
      }
      if (record === undefined) {
        groups.push({ first: i, parts: [], bytes, flags: split.flags?.get(i) });
        continue;
      }
      const group = open[record.stream];
      if (group === undefined) {
        const begun: Group = { first: i, parts: [{ line: i, record }], bytes, flags: undefined };
        groups.push(begun);
        open[record.stream] = begun;
      } else {
        if (!isPartial(group)) group.flags = MULTILINE;
        group.parts.push({ line: i, record });
        group.bytes += bytes;
      }
      if (!record.isPartial && multiline === undefined) close(record.stream);
    }
    if (!keepOpen) {
      close(0);
      close(1);
    }
    if (open[0] === undefined && open[1] === undefined) {
      cleanCount = groups.length;
      cleanOffset = endOffset;
    }
    return this.#splitOf(split, groups.slice(0, cleanCount), cleanOffset - position);
  }

  #splitOf(split: Split, groups: readonly Group[], consumed: number): Split {
    const count = groups.length;
    const starts = new Int32Array(count);
    const ends = new Int32Array(count);
    const offsets = new Float64Array(count);
    let flags: Map<number, readonly string[]> | undefined;
    const joined: string[] = [split.text];
    let length = split.text.length;
    for (let i = 0; i < count; i++) {
      const group = groups[i]!;
      offsets[i] = split.offsets[group.first]!;
      if (group.flags !== undefined) (flags ??= new Map()).set(i, group.flags);
      if (group.parts.length < 2) {
        starts[i] = split.starts[group.first]!;
        ends[i] = split.ends[group.first]!;
        continue;
      }
      const event = joinedRecord(split, group);
      starts[i] = length;
      length += event.length;
      ends[i] = length;
      joined.push(event);
    }
    const text = joined.length === 1 ? split.text : joined.join("");
    return { count, text, starts, ends, offsets, flags, consumed, dropped: split.dropped };
  }

  #recordIn(text: string, start: number, end: number): RecordLine | undefined {
    if (text.charCodeAt(start) === 0x7b) return this.#format === "cri" ? undefined : this.#dockerIn(text, start, end);
    return this.#format === "docker" ? undefined : criIn(text, start, end);
  }

  #dockerIn(text: string, start: number, end: number): RecordLine | undefined {
    if (!text.startsWith(DOCKER_START, start)) return otherDocker(text.slice(start, end));
    const from = start + DOCKER_START.length;
    if (this.#endAt < from) {
      const found = text.indexOf(DOCKER_END, from);
      this.#endAt = found === -1 ? Infinity : found;
    }
    const to = this.#endAt;
    if (to >= end) return otherDocker(text.slice(start, end));
    const stream = text.startsWith("stderr", to + DOCKER_END.length) ? 1 : 0;
    return { isDocker: true, stream, isPartial: !endsWithNewline(text, from, to), from, to };
  }
}

function isPartial(group: Group): boolean {
  return group.parts.at(-1)?.record.isPartial === true;
}

/** Whether a JSON string that ends at `to` ends with an escaped newline: \n, and not \\n. */
function endsWithNewline(text: string, from: number, to: number): boolean {
  if (to - from < 2 || text.charCodeAt(to - 1) !== 0x6e) return false;
  let slashes = 0;
  while (to - 2 - slashes >= from && text.charCodeAt(to - 2 - slashes) === 0x5c) slashes++;
  return slashes % 2 === 1;
}

/** Another writer's order or spacing: read as JSON, and written again as Docker would. */
function otherDocker(line: string): RecordLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { log, stream, ...rest } = value as Record<string, unknown>;
  if (typeof log !== "string" || typeof stream !== "string") return undefined;
  const inside = JSON.stringify(log).slice(1, -1);
  const written = `${DOCKER_START}${inside}",${JSON.stringify({ stream, ...rest }).slice(1)}`;
  const from = DOCKER_START.length;
  const isRest = stream === "stderr" ? 1 : 0;
  return {
    ...{ isDocker: true, stream: isRest, isPartial: !log.endsWith("\n") },
    ...{ from, to: from + inside.length, line: written },
  };
}

function criIn(text: string, start: number, end: number): RecordLine | undefined {
  const digit = text.charCodeAt(start);
  if (digit < 0x30 || digit > 0x39) return undefined;
  // A time has no more than 40 characters: the search must not go through a long line that is no record.
  const head = text.slice(start, Math.min(end, start + 64));
  const space = head.indexOf(" ");
  if (space === -1) return undefined;
  const stream = head.startsWith("stdout ", space + 1) ? 0 : head.startsWith("stderr ", space + 1) ? 1 : undefined;
  if (stream === undefined) return undefined;
  const tag = start + space + 8;
  const letter = text.charCodeAt(tag);
  if (tag >= end || (letter !== 0x46 && letter !== 0x50)) return undefined;
  const isPartialLine = letter === 0x50;
  const next = tag + 1 < end ? text.charCodeAt(tag + 1) : 0x20;
  if (next !== 0x20 && next !== 0x3a) return undefined;
  let from = tag + 1;
  while (from < end && text.charCodeAt(from) !== 0x20) from++;
  return { isDocker: false, stream, isPartial: isPartialLine, from: Math.min(from + 1, end), to: end };
}

/** What the program wrote, without the line end. */
function textOf(split: Split, { isDocker, line, from, to }: RecordLine): string {
  const raw = (line ?? split.text).slice(from, to);
  if (!isDocker) return raw;
  let text = raw;
  if (raw.includes("\\")) {
    try {
      text = JSON.parse(`"${raw}"`) as string;
    } catch {
      // It only looked like JSON: the pattern sees it as it is.
    }
  }
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

/** The first record with the text of all. */
function joinedRecord(split: Split, { parts }: Group): string {
  const [{ line: index, record }] = parts as [Group["parts"][number]];
  const line = record.line ?? split.text.slice(split.starts[index], split.ends[index]);
  const shift = record.line === undefined ? split.starts[index]! : 0;
  const from = record.from - shift;
  const texts: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!.record;
    texts.push((part.line ?? split.text).slice(part.from, part.to));
    // Docker's lines bring their line ends with them.
    if (!part.isDocker && !part.isPartial && i + 1 < parts.length) texts.push("\n");
  }
  const text = texts.join("");
  if (record.isDocker) return line.slice(0, from) + text + line.slice(record.to - shift);
  const isWhole = parts.at(-1)?.record.isPartial === false;
  const head = line.slice(0, from);
  return (isWhole ? head.replace(/ P(?=[ :])/, " F") : head) + text;
}
