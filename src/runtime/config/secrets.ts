import { join, isAbsolute } from "node:path";
import { errorMessage } from "../../core/error.ts";
import { defineOwn, type Place } from "./document.ts";
import { suggestion } from "./nearest.ts";
import type { ProblemList } from "./problems.ts";

/** What a configuration may read besides itself. */
export interface ConfigWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a text file; throws as node:fs does. */
  readFile(path: string): string;
  /** Names in a folder; throws as node:fs does. */
  readDir(path: string): string[];
}

/** A value as the user means it, with `{ "$env" }` and `{ "$file" }` replaced by what they stand for. */
export interface ResolvedValue {
  readonly value: unknown;
  /** JSON pointers, from this value, of what was replaced. */
  readonly secretPointers: string[];
}

/**
 * The plain value of a place with secrets resolved. A secret that is missing is reported where it is asked for, and
 * stands as an empty string so that the rest can be checked too.
 */
export function resolveValue(place: Place, world: ConfigWorld, problems: ProblemList): ResolvedValue {
  const secretPointers: string[] = [];
  const resolve = (at: Place): unknown => {
    if (at.node.type === "array") return at.items().map(resolve);
    if (at.node.type !== "object") return at.node.value as unknown;
    const members = at.members();
    if (members.has("$env") || members.has("$file")) {
      secretPointers.push(at.pointer.slice(place.pointer.length));
      return resolveSecret(at, members, world, problems);
    }
    const object: Record<string, unknown> = {};
    for (const [name, member] of members) defineOwn(object, name, resolve(member));
    return object;
  };
  return { value: resolve(place), secretPointers };
}

/** Stands for a secret that could not be had, so that it causes no second error ("must not be empty"). */
export const MISSING_SECRET = "(missing secret)";

function resolveSecret(
  at: Place,
  members: ReadonlyMap<string, Place>,
  world: ConfigWorld,
  problems: ProblemList,
): string {
  const kind = members.has("$env") ? "$env" : "$file";
  const named = members.get(kind)!;
  const name: unknown = named.node.value;
  if (members.size > 1) {
    const others = [...members.keys()].filter((key) => key !== kind).map((key) => `"${key}"`);
    problems.error(at.location, `{ "${kind}" } stands alone, found ${others.join(", ")} beside it`);
    return MISSING_SECRET;
  }
  if (typeof name !== "string" || name === "") {
    const wanted = kind === "$env" ? "the name of an environment variable" : "the path of a file";
    problems.error(named.location, `"${kind}" takes ${wanted} as a string`);
    return MISSING_SECRET;
  }
  const secret =
    kind === "$env" ? fromEnvironment(name, named, world, problems) : fromFile(name, named, world, problems);
  if (secret === undefined) return MISSING_SECRET;
  problems.hide(secret);
  return secret;
}

function fromEnvironment(name: string, at: Place, world: ConfigWorld, problems: ProblemList): string | undefined {
  const value = Object.hasOwn(world.env, name) ? world.env[name] : undefined;
  if (value !== undefined && value !== "") return value;
  const near = value === undefined ? suggestion(name, Object.keys(world.env)) : "";
  const words = value === undefined ? "is not set" : "is set, but empty";
  // Only a near name is worth printing: the list of all variables is not.
  problems.error(
    at.location,
    `the environment variable ${name} ${words}${near.startsWith("; did") ? near : ""}`,
    `export ${name}=… before starting, or under systemd put ${name}=… into /etc/wiretail/environment`,
  );
  return undefined;
}

function fromFile(path: string, at: Place, world: ConfigWorld, problems: ProblemList): string | undefined {
  const file = isAbsolute(path) ? path : join(at.document.folder, path);
  try {
    const text = world.readFile(file).replace(/\r?\n$/, "");
    if (text !== "") return text;
    problems.error(at.location, `the file ${file} is empty, expected a secret in it`);
  } catch (error) {
    problems.error(at.location, `cannot read the secret's file: ${errorMessage(error)}`);
  }
  return undefined;
}
