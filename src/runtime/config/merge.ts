import { join, dirname } from "node:path";
import { errorMessage, systemErrorCode } from "../../core/error.ts";
import { parseDocument, type Place } from "./document.ts";
import { canonicalJson } from "./fingerprint.ts";
import { SECTIONS, SETTINGS, type SectionName, type SettingName } from "./host-schema.ts";
import { describeValue } from "./validate.ts";
import { suggestion } from "./nearest.ts";
import type { ProblemList } from "./problems.ts";
import type { ConfigWorld } from "./secrets.ts";
import type { Location } from "./types.ts";

/** A host file and the files of conf.d beside it, as one. */
export interface MergedHost {
  /** Every value said for each setting; several only when they agree, or are objects with different keys. */
  readonly settings: ReadonlyMap<SettingName, readonly Place[]>;
  readonly sections: Readonly<Record<SectionName, ReadonlyMap<string, Place>>>;
  /** Where the host file begins: for faults that have no better place. */
  readonly start: Location;
  /** False when a file could not be read or parsed: then names that seem undefined may be in it. */
  readonly complete: boolean;
}

/** Reads `file` and `conf.d/*.json` beside it. Never throws. */
export function readHost(file: string, world: ConfigWorld, problems: ProblemList): MergedHost {
  const start: Location = { file, line: 1, column: 1, pointer: "" };
  const settings = new Map<SettingName, Place[]>();
  const sections = {
    sources: new Map<string, Place>(),
    pipelines: new Map<string, Place>(),
    sinks: new Map<string, Place>(),
  };
  problems.mentionFile(file);
  let complete = true;
  for (const each of [file, ...dropIns(file, world, problems)]) {
    const root = readDocument(each, world, problems);
    if (root === undefined) complete = false;
    else if (root.node.type !== "object") {
      problems.error(
        root.location,
        `found ${describeValue(root.toValue())}, expected an object with sources, pipelines and sinks`,
      );
      complete = false;
    } else mergeDocument(root, settings, sections, problems);
  }
  return { settings, sections, start, complete };
}

/** Reads and parses one file; undefined, with a problem, when that cannot be. */
export function readDocument(
  file: string,
  world: ConfigWorld,
  problems: ProblemList,
  said?: Location,
): Place | undefined {
  let text: string;
  try {
    text = world.readFile(file);
  } catch (error) {
    problems.error(said ?? { file, line: 1, column: 1, pointer: "" }, `cannot read ${unreadable(file, error)}`);
    return undefined;
  }
  return parseDocument(file, text, problems);
}

function unreadable(file: string, error: unknown): string {
  switch (systemErrorCode(error)) {
    case "ENOENT":
      return `${file}: there is no such file`;
    case "EACCES":
      return `${file}: permission denied`;
    case "EISDIR":
      return `${file}: it is a folder`;
    default:
      return `${file}: ${errorMessage(error)}`;
  }
}

function dropIns(file: string, world: ConfigWorld, problems: ProblemList): string[] {
  const folder = join(dirname(file), "conf.d");
  try {
    return world
      .readDir(folder)
      .filter((name) => name.endsWith(".json") && !name.startsWith("."))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== "ENOENT" && code !== "ENOTDIR") {
      problems.error(
        { file: folder, line: 1, column: 1, pointer: "" },
        `cannot list the folder: ${errorMessage(error)}`,
      );
    }
    return [];
  }
}

function mergeDocument(
  root: Place,
  settings: Map<SettingName, Place[]>,
  sections: Record<SectionName, Map<string, Place>>,
  problems: ProblemList,
): void {
  for (const [name, place] of root.members()) {
    if (Object.hasOwn(SECTIONS, name))
      mergeSection(name as SectionName, place, sections[name as SectionName], problems);
    else if (Object.hasOwn(SETTINGS, name)) mergeSetting(name as SettingName, place, settings, problems);
    else {
      const known = [...Object.keys(SECTIONS), ...Object.keys(SETTINGS)];
      problems.error({ ...place.nameLocation, pointer: "" }, `unknown setting "${name}"${suggestion(name, known)}`);
    }
  }
}

function mergeSection(section: SectionName, place: Place, into: Map<string, Place>, problems: ProblemList): void {
  if (place.node.type !== "object") {
    problems.error(
      place.location,
      `found ${describeValue(place.toValue())}, expected an object with ${section} by name`,
    );
    return;
  }
  for (const [name, entry] of place.members()) {
    const earlier = into.get(name);
    if (earlier !== undefined)
      problems.error(entry.nameLocation, `"${name}" is already defined at ${shortLocation(earlier.nameLocation)}`);
    else into.set(name, entry);
  }
}

function mergeSetting(
  name: SettingName,
  place: Place,
  settings: Map<SettingName, Place[]>,
  problems: ProblemList,
): void {
  const said = settings.get(name) ?? [];
  settings.set(name, [...said, place]);
  if (name === "$schema") return;
  for (const earlier of said) {
    if (place.node.type === "object" && earlier.node.type === "object") {
      const members = earlier.members();
      for (const [key, value] of place.members()) {
        const other = members.get(key);
        if (other !== undefined) compare(`${name}.${key}`, value, other, problems);
      }
    } else compare(name, place, earlier, problems);
  }
}

function compare(name: string, place: Place, earlier: Place, problems: ProblemList): void {
  if (canonicalJson(place.toValue()) === canonicalJson(earlier.toValue())) return;
  problems.error(place.nameLocation, `"${name}" has another value at ${shortLocation(earlier.nameLocation)}`);
}

export function shortLocation(location: Location): string {
  return `${location.file}:${location.line}:${location.column}`;
}
