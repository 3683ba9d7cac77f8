import type { KqlNode } from "../codec/kql/ast.ts";
import { getIn } from "../core/path.ts";
import type { StoredDocument, StoreReader } from "../store/search.ts";

/** A document, and whether it was found or only stands near one that was. */
export interface NearDocument {
  readonly json: string;
  readonly isMatch: boolean;
}

export interface Surroundings {
  /** Runs of lines that follow each other in one file; of the first ones of the files in their first time's order. */
  readonly groups: readonly (readonly NearDocument[])[];
  /** Matches that are from no file: nothing stands around them. */
  readonly withoutFile: number;
}

interface Place {
  readonly json: string;
  readonly file: string;
  /** Generation of the file: what was written after a rotation is another one. */
  readonly partition: string;
  readonly offset: number;
  readonly subIndex: number;
  readonly id: string;
}

/** Bytes that a line is taken to have, at first; when too few lines are found, four times as many, and so on. */
const LINE_BYTES = 256;
const MAX_WINDOW_BYTES = 64 * 1024 * 1024;

/**
 * What stands around documents in their files, by offset: `before` and `after` events each, in the order of the file.
 * Events that pipelines left out are not in the store, and so not shown.
 */
export async function surroundings(
  store: StoreReader,
  matches: readonly StoredDocument[],
  near: { readonly before: number; readonly after: number },
  nowMs: number,
): Promise<Surroundings> {
  const places = matches.map(({ json }) => placeOf(json));
  const byFile = new Map<string, Place[]>();
  let withoutFile = 0;
  const groups: NearDocument[][] = [];
  for (const [i, place] of places.entries()) {
    if (place === undefined) {
      withoutFile++;
      groups.push([{ json: matches[i]!.json, isMatch: true }]);
      continue;
    }
    const key = `${place.partition}\n${place.file}`;
    byFile.set(key, [...(byFile.get(key) ?? []), place]);
  }
  for (const found of byFile.values()) groups.push(...(await around(store, found, near, nowMs)));
  return { groups, withoutFile };
}

async function around(
  store: StoreReader,
  matches: readonly Place[],
  near: { readonly before: number; readonly after: number },
  nowMs: number,
): Promise<NearDocument[][]> {
  const known = new Map(matches.map((place) => [place.id, place]));
  const isMatch = new Set(known.keys());
  for (let bytes = LINE_BYTES; ; bytes *= 4) {
    const windows = matches.map(({ offset }) => ({
      from: Math.max(0, offset - near.before * bytes),
      to: offset + near.after * bytes,
    }));
    const { file, partition } = matches[0]!;
    const query: KqlNode = {
      kind: "and",
      nodes: [is("log.file.path", file), { kind: "or", nodes: windows.map(within) }],
    };
    for await (const { json } of store.all({ query, fromMs: undefined, toMs: undefined, nowMs }, "oldest")) {
      const place = placeOf(json);
      if (place?.partition === partition) known.set(place.id, place);
    }
    const sorted = [...known.values()].sort((a, b) => a.offset - b.offset || a.subIndex - b.subIndex);
    const runs = cut(sorted, isMatch, near);
    // Further away there may be more only where a window did not reach far enough.
    const isEnough = runs.every((run) => run.isWhole) || bytes > MAX_WINDOW_BYTES;
    if (isEnough || (await isAll(store, file, partition, known.size, nowMs)))
      return runs.map(({ documents }) => documents);
  }
}

interface Run {
  readonly documents: NearDocument[];
  /** All that was asked for is in it. */
  readonly isWhole: boolean;
}

/** The matches with their neighbours; runs that touch are one. */
function cut(
  sorted: readonly Place[],
  isMatch: ReadonlySet<string>,
  near: { readonly before: number; readonly after: number },
): Run[] {
  const runs: { from: number; to: number; isWhole: boolean }[] = [];
  for (const [i, { id }] of sorted.entries()) {
    if (!isMatch.has(id)) continue;
    const run = {
      from: Math.max(0, i - near.before),
      to: Math.min(sorted.length, i + near.after + 1),
      isWhole: i >= near.before && i + near.after < sorted.length,
    };
    const last = runs.at(-1);
    if (last !== undefined && run.from <= last.to) {
      last.to = Math.max(last.to, run.to);
      last.isWhole &&= run.isWhole;
    } else runs.push(run);
  }
  return runs.map(({ from, to, isWhole }) => ({
    documents: sorted.slice(from, to).map(({ json, id }) => ({ json, isMatch: isMatch.has(id) })),
    isWhole,
  }));
}

/** Whether the store has no more of a file than what was found. */
async function isAll(
  store: StoreReader,
  file: string,
  partition: string,
  found: number,
  nowMs: number,
): Promise<boolean> {
  const node: KqlNode = {
    kind: "is",
    field: "_id",
    value: { text: `${partition}.*`, quoted: false, pieces: [`${partition}.`, ""] },
  };
  const query: KqlNode = { kind: "and", nodes: [is("log.file.path", file), node] };
  return (await store.count({ query, fromMs: undefined, toMs: undefined, nowMs })) <= found;
}

function is(field: string, text: string): KqlNode {
  return { kind: "is", field, value: { text, quoted: true, pieces: undefined } };
}

function within({ from, to }: { readonly from: number; readonly to: number }): KqlNode {
  return {
    kind: "and",
    nodes: [
      { kind: "compare", field: "log.offset", operator: ">=", value: String(from) },
      { kind: "compare", field: "log.offset", operator: "<=", value: String(to) },
    ],
  };
}

function placeOf(json: string): Place | undefined {
  const document = JSON.parse(json) as Record<string, unknown>;
  const id = document["_id"];
  const file = getIn(document, ["log", "file", "path"], 0);
  const offset = getIn(document, ["log", "offset"], 0);
  if (typeof id !== "string" || typeof file !== "string" || typeof offset !== "number") return undefined;
  const [partition = "", , , sub] = id.split(".");
  return { json, file, partition, offset, id, subIndex: Number(sub ?? 0) };
}
