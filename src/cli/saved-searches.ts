import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, systemErrorCode, WiretailError } from "../core/error.ts";
import { writeFileAtomic } from "../disk/atomic-file.ts";
import { suggestion } from "../runtime/config/nearest.ts";
import { giveToOwner } from "./ownership.ts";

/** What a name stands for: the words and options of a search. */
export interface SavedSearch {
  readonly query: string;
  /** As they were written: relative times stay relative. */
  readonly options: Readonly<Record<string, string | boolean>>;
}

const FILE = "saved-searches.json";
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}_.-]{0,63}$/u;

/** Searches by name, in the store's folder: everybody who reads the store has the same ones. */
export async function savedSearches(folder: string): Promise<Readonly<Record<string, SavedSearch>>> {
  const file = join(folder, FILE);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return {};
    throw new WiretailError("WT_STORE_UNREADABLE", `cannot read ${file}: ${errorMessage(error)}`, { cause: error });
  }
  const found = parse(text);
  if (found !== undefined) return found;
  throw new WiretailError("WT_STORE_UNREADABLE", `${file} is not a list of saved searches`, {
    hint: `mend it, or remove it`,
  });
}

/** The search of a name. Throws WT_USAGE with the names there are. */
export async function savedSearch(folder: string, name: string): Promise<SavedSearch> {
  const all = await savedSearches(folder);
  if (Object.hasOwn(all, name)) return all[name]!;
  const names = Object.keys(all).sort();
  throw new WiretailError("WT_USAGE", `no search is saved as "${name}"${suggestion(name, names)}`, {
    hint: names.length === 0 ? `wiretail search … --save ${name} saves one` : `saved are ${names.join(", ")}`,
  });
}

/** Saves a search, in place of one of the same name. */
export async function saveSearch(folder: string, name: string, search: SavedSearch): Promise<void> {
  if (!NAME.test(name))
    throw new WiretailError(
      "WT_USAGE",
      `--save "${name}": a name has letters, digits and _ . - and at most 64 of them`,
    );
  const all = { ...(await savedSearches(folder)), [name]: search };
  const file = join(folder, FILE);
  try {
    await writeFileAtomic(file, JSON.stringify(all, undefined, 2) + "\n");
    await giveToOwner(folder, [FILE]);
  } catch (error) {
    throw new WiretailError("WT_STATE_UNWRITABLE", `cannot write ${file}: ${errorMessage(error)}`, {
      ...(systemErrorCode(error) === "EACCES" ? { hint: "run it as the agent's user, or with sudo" } : {}),
      cause: error,
    });
  }
}

function parse(text: string): Record<string, SavedSearch> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const isSearch = (each: unknown): boolean =>
    typeof (each as SavedSearch | null)?.query === "string" && typeof (each as SavedSearch).options === "object";
  return Object.values(value).every(isSearch) ? (value as Record<string, SavedSearch>) : undefined;
}
