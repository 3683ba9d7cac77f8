import { readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage, systemErrorCode } from "../../core/error.ts";
import { syncFolder, writeFileAtomic } from "../../disk/atomic-file.ts";

/** What a replay set out to do, on disk from before its first event goes out until its last letter is settled. */
export interface RunFile {
  readonly format: 1;
  /** Random: names the partitions of replayed events. */
  readonly run: string;
  readonly began_at: string;
  readonly as_it_was: boolean;
  /** Names of the letters (`letterName`). */
  readonly letters: readonly string[];
}

/** Undefined when there is none. A damaged one counts as none, and `problem` says so. */
export async function readRunFile(path: string, problem: (message: string) => void): Promise<RunFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT") problem(`cannot read ${path}: ${errorMessage(error)}`);
    return undefined;
  }
  try {
    const value = JSON.parse(text) as Partial<RunFile>;
    if (value.format === 1 && typeof value.run === "string" && Array.isArray(value.letters)) return value as RunFile;
  } catch {
    // Said below.
  }
  problem(`${path} is damaged: that replay is not continued; its letters are still there`);
  return undefined;
}

export async function writeRunFile(path: string, run: RunFile): Promise<void> {
  await writeFileAtomic(path, JSON.stringify(run) + "\n");
}

export async function removeRunFile(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}
