import { open, stat, type FileHandle } from "node:fs/promises";
import { WiretailError } from "../core/error.ts";
import type { CheckpointData, PartitionCheckpoint } from "../disk/checkpoint-file.ts";
import { examine, parseIdentity, TAIL_BYTES, type FileResume } from "../sources/file/identity.ts";

/** One partition of a checkpoint, as `state show` prints it. */
export interface PartitionState {
  readonly id: string;
  readonly source: string;
  readonly source_identity: string | null;
  /** The file, where it is one; and where its events say that it was, when that is another place. */
  readonly path: string | null;
  readonly first_path: string | null;
  readonly size_bytes: number | null;
  readonly routes: readonly RouteState[];
}

export interface RouteState {
  readonly route: string;
  readonly pipeline: string;
  readonly sink_identity: string;
  /** The sink's present name, where the configuration is known and has it. */
  readonly sink: string | null;
  readonly position: number;
  readonly lag_bytes: number | null;
  /** Up to where events may have been sent. */
  readonly may_have_been_sent_to: number | null;
}

/** Which partitions and routes a command is about. */
export interface Selection {
  /** A partition's id, or a file's path, present or first one. */
  readonly what?: string | undefined;
  readonly source?: string | undefined;
  readonly pipeline?: string | undefined;
  /** A sink's name (with a configuration) or identity. */
  readonly sink?: string | undefined;
}

/** Everything in a checkpoint. `sinks` are names by identity. */
export async function describeState(
  data: CheckpointData,
  sinks: ReadonlyMap<string, string>,
): Promise<PartitionState[]> {
  const states: PartitionState[] = [];
  for (const [id, partition] of Object.entries(data.partitions)) {
    const identity = parseIdentity(partition.identity);
    const path = identity === undefined ? undefined : (identity.at ?? identity.path);
    const size = path === undefined ? undefined : await sizeOf(path);
    const routes = Object.entries(partition.routes).map(([route, [position, , sent]]): RouteState => {
      const [pipeline, sinkIdentity] = splitRoute(route);
      return {
        ...{ route, pipeline, sink_identity: sinkIdentity, sink: sinks.get(sinkIdentity) ?? null, position },
        lag_bytes: size === undefined ? null : Math.max(0, size - position),
        may_have_been_sent_to: sent ?? null,
      };
    });
    states.push({
      ...{ id, source: partition.source, source_identity: partition.source_identity ?? null },
      ...{ path: path ?? null, first_path: identity?.path ?? null, size_bytes: size ?? null, routes },
    });
  }
  return states.sort((a, b) => compare(a.source, b.source) || compare(a.path ?? a.id, b.path ?? b.id));
}

/** The partitions that a selection means. */
export function selectPartitions(states: readonly PartitionState[], { what, source }: Selection): PartitionState[] {
  return states.filter(
    (state) =>
      (what === undefined || state.id === what || state.path === what || state.first_path === what) &&
      (source === undefined || state.source === source),
  );
}

/** The routes of a partition that a selection means. */
export function selectRoutes(state: PartitionState, { pipeline, sink }: Selection): RouteState[] {
  return state.routes.filter(
    (route) =>
      (pipeline === undefined || route.pipeline === pipeline) &&
      (sink === undefined || route.sink === sink || route.sink_identity === sink),
  );
}

/** A place where reading may go on: checked against the file, with what the source needs to know it again. */
export interface Place {
  readonly position: number;
  readonly resume: FileResume;
}

/**
 * Checks a position in the file of a partition: `beginning`, `end` (of the last whole line), or a byte. Throws WT_USAGE
 * when the file is not there, is another one, or the byte is not the beginning of a line in it.
 */
export async function placeIn(partition: PartitionCheckpoint, said: string): Promise<Place> {
  const identity = parseIdentity(partition.identity);
  if (identity === undefined) throw usage("only positions in files can be set; this partition is none");
  const path = identity.at ?? identity.path;
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    throw usage(`${path} cannot be opened: ${(error as Error).message}`, "without the file there is nowhere to go on");
  }
  try {
    const { size } = await file.stat();
    const points = Object.values(partition.routes).map(([position, resume]) => ({ position, resume }));
    const { headMatches, shorter } = await examine(file, size, { head: identity.head, points });
    if (shorter || !headMatches)
      throw usage(
        `${path} is not the file any more that the checkpoint is about`,
        "the agent will begin a new one there",
      );
    const position = said === "beginning" ? 0 : said === "end" ? await lastLineEnd(file, size) : Number(said);
    if (said !== "beginning" && said !== "end" && !/^\d{1,15}$/.test(said))
      throw usage(`"${said}" is no position`, "say beginning, end, or a byte");
    if (position > size) throw usage(`${path} has ${size} bytes; ${position} is behind its end`);
    const from = Math.max(0, position - TAIL_BYTES);
    const tail = Buffer.alloc(position - from);
    await file.read(tail, 0, tail.length, from);
    if (position > 0 && tail.at(-1) !== NEWLINE) {
      const before = await lastLineEnd(file, position);
      throw usage(`byte ${position} of ${path} is inside a line`, `the line begins at ${before}`);
    }
    return { position, resume: { tail: tail.toString("base64") } };
  } finally {
    await file.close();
  }
}

/** Puts routes of a partition at a place, in the data. */
export function setPosition(partition: PartitionCheckpoint, routes: readonly RouteState[], place: Place): void {
  for (const { route } of routes) {
    const sent = partition.routes[route]![2];
    const { position, resume } = place;
    // What the journal has for it counts no more.
    delete partition.in_journal?.[route];
    // What was sent stays sent: it has to be looked up when it is sent once more.
    partition.routes[route] = sent === undefined ? [position, resume] : [position, resume, Math.max(sent, position)];
  }
}

const NEWLINE = 10;

/** Behind the last line end before a byte; 0 when there is none. */
async function lastLineEnd(file: FileHandle, before: number): Promise<number> {
  const buffer = Buffer.alloc(1 << 16);
  for (let end = before; end > 0;) {
    const from = Math.max(0, end - buffer.length);
    const { bytesRead } = await file.read(buffer, 0, end - from, from);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (at >= 0) return from + at + 1;
    end = from;
  }
  return 0;
}

function splitRoute(route: string): [pipeline: string, sinkIdentity: string] {
  const bar = route.lastIndexOf("|");
  return [route.slice(0, bar), route.slice(bar + 1)];
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function usage(message: string, hint?: string): WiretailError {
  return new WiretailError("WT_USAGE", message, hint === undefined ? {} : { hint });
}
