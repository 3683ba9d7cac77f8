/** Which lines belong together. Exactly one of the patterns is set; neither may have the `g` or `y` flag. */
export interface MultilineRules {
  /** A line that matches begins an event; all others continue the one before. */
  readonly startPattern: RegExp | undefined;
  /** A line that matches continues the event before; all others begin one. */
  readonly continuationPattern: RegExp | undefined;
  /** An event that has this many lines or bytes is closed and flagged "truncated"; what follows is the next event. */
  readonly maxLines: number;
  readonly maxBytes: number;
}

/** Lines in order; groupLines overwrites the arrays. */
export interface Lines {
  readonly count: number;
  readonly text: string;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly offsets: Float64Array;
  readonly flags: ReadonlyMap<number, readonly string[]> | undefined;
}

export interface Events {
  readonly count: number;
  readonly flags: Map<number, readonly string[]> | undefined;
  /** Where the first event begins that is not complete. */
  readonly endPosition: number;
}

const MULTILINE: readonly string[] = ["multiline"];
const MULTILINE_CUT: readonly string[] = ["multiline", "truncated"];
const CUT: readonly string[] = ["truncated"];

/**
 * Joins lines to events, in place: afterwards starts, ends and offsets describe events. The lines begin where an event
 * begins and end at `endPosition`. With `keepOpen` the last event is left out while another line might still belong to
 * it. A line that was truncated is an event of its own, so that an event is always one piece of the text.
 */
export function groupLines(lines: Lines, endPosition: number, rules: MultilineRules, keepOpen: boolean): Events {
  const { text, starts, ends, offsets } = lines;
  let flags: Map<number, readonly string[]> | undefined;
  let count = 0;
  let first = -1;
  let lineCount = 0;
  let eventEnd = 0;
  let eventOffset = 0;
  for (let i = 0; i <= lines.count; i++) {
    const last = i === lines.count;
    const lineFlags = last ? undefined : lines.flags?.get(i);
    const nextOffset = i + 1 < lines.count ? offsets[i + 1]! : endPosition;
    let cut = false;
    if (first !== -1) {
      const starts_ = last ? !keepOpen : lineFlags !== undefined || begins(text.slice(starts[i], ends[i]), rules);
      cut = !last && !starts_ && (lineCount >= rules.maxLines || nextOffset - eventOffset > rules.maxBytes);
      if (!starts_ && !cut && last) return { count, flags, endPosition: eventOffset };
      if (starts_ || cut) {
        starts[count] = first;
        ends[count] = eventEnd;
        offsets[count] = eventOffset;
        if (lineCount > 1 || cut)
          (flags ??= new Map()).set(count, !cut ? MULTILINE : lineCount > 1 ? MULTILINE_CUT : CUT);
        count++;
        first = -1;
      }
    }
    if (last) break;
    if (lineFlags !== undefined) {
      const [start, end, offset] = [starts[i]!, ends[i]!, offsets[i]!];
      starts[count] = start;
      ends[count] = end;
      offsets[count] = offset;
      (flags ??= new Map()).set(count, lineFlags);
      count++;
      continue;
    }
    if (first === -1) {
      first = starts[i]!;
      eventOffset = offsets[i]!;
      lineCount = 0;
    }
    lineCount++;
    eventEnd = ends[i]!;
  }
  return { count, flags, endPosition };
}

/** Whether a line goes on with the event before it. */
export function continues(line: string, rules: MultilineRules): boolean {
  return !begins(line, rules);
}

function begins(line: string, rules: MultilineRules): boolean {
  if (rules.startPattern !== undefined) return rules.startPattern.test(line);
  return !(rules.continuationPattern?.test(line) ?? false);
}
