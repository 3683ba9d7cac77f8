import { access, constants, readdir, readlink, stat } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { basename, dirname, join } from "node:path";
import type { PipelineFile } from "../../runtime/config/pipeline-file.ts";
import { isNamedIn, recognise, SAMPLE_LINES } from "../../runtime/recognition/recognise.ts";
import { firstLines, lastLines } from "../tail/start.ts";

/** Log files of one kind in one folder. */
export interface FoundLogs {
  /** Files, or one pattern for all of a folder. */
  readonly include: readonly string[];
  readonly files: number;
  /** A shipped pipeline, or undefined: kept as text. */
  readonly format: string | undefined;
  /** What recognition rests on, in words. */
  readonly why: string;
}

/** What `init` found on a host. */
export interface Discovery {
  readonly logs: readonly FoundLogs[];
  /** Log files that this user may not read. */
  readonly unreadable: readonly string[];
  /** Names of programs that run, as they are known by (`nginx`, `postgres`). */
  readonly programs: readonly string[];
  readonly hasJournal: boolean;
  /** Network interfaces but the loopback. */
  readonly interfaces: readonly string[];
}

export interface DiscoveryOptions {
  readonly formats: readonly PipelineFile[];
  readonly nowMs: number;
  /** Where logs are looked for: /var/log, and where containers keep theirs. */
  readonly folders: readonly string[];
  /** The processes' folder: /proc. */
  readonly processes: string;
}

export const LOG_FOLDERS = ["/var/log", "/var/lib/docker/containers"];
const MAX_DEPTH = 4;
const MAX_FILES = 2000;
/** A log in which nothing was written for so long is no longer one. */
const STALE_MS = 30 * 86_400_000;
const NAME =
  /(?:\.log|[-_.]log|^(?:syslog|messages|secure|maillog|cron|auth|daemon|kern|user|access_log|error_log|access|error))$/;
/** Rotated and compressed files, and those that are no text. */
const NOT_A_LOG =
  /(?:\.(?:gz|bz2|xz|zst|zip|journal|db|sqlite|pcap|pcapng)|\.(?:old|\d+)|-\d{8})$|^(?:btmp|wtmp|lastlog|faillog)$/;

/** Hidden folders hold what programs write for themselves. */
const NOT_LOOKED_IN = /^\/(?:proc|dev|tmp|run)\/|\/\./;

/** Looks for logs, programs, the journal and interfaces. Nothing is changed, and what cannot be read is said. */
export async function discover(options: DiscoveryOptions): Promise<Discovery> {
  const { formats, nowMs, folders, processes } = options;
  const unreadable: string[] = [];
  const files = new Set<string>();
  for (const folder of folders) for (const file of await logsIn(folder, nowMs, unreadable)) files.add(file);
  const { programs, logs: open } = await runningPrograms(processes);
  for (const file of open) if (await isFreshFile(file, nowMs)) files.add(file);
  const recognised: { path: string; format: string | undefined; why: string }[] = [];
  for (const path of [...files].sort()) {
    const found = await look(path, formats, nowMs);
    if (found === "unreadable") unreadable.push(path);
    else if (found !== undefined) recognised.push({ path, ...found });
  }
  return {
    ...{ logs: grouped(recognised), unreadable: [...new Set(unreadable)].sort(), programs },
    hasJournal: await hasJournal(),
    interfaces: Object.entries(networkInterfaces())
      .filter(([, addresses]) => addresses?.some(({ internal }) => !internal) === true)
      .map(([name]) => name),
  };
}

/** Files that look like logs in a folder and those in it. */
async function logsIn(folder: string, nowMs: number, unreadable: string[]): Promise<string[]> {
  const found: string[] = [];
  const visit = async (at: string, depth: number): Promise<void> => {
    let entries;
    try {
      entries = await readdir(at, { withFileTypes: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EACCES") unreadable.push(`${at}/`);
      return;
    }
    for (const entry of entries) {
      if (found.length >= MAX_FILES) return;
      const path = join(at, entry.name);
      if (entry.isDirectory() && depth < MAX_DEPTH && entry.name !== "journal") await visit(path, depth + 1);
      else if (
        entry.isFile() &&
        NAME.test(entry.name) &&
        !NOT_A_LOG.test(entry.name) &&
        (await isFreshFile(path, nowMs))
      )
        found.push(path);
    }
  };
  await visit(folder, 1);
  return found;
}

async function isFreshFile(path: string, nowMs: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && nowMs - found.mtimeMs < STALE_MS;
}

/** Programs that run, and logs that they have open: also those in folders that nobody would look in. */
async function runningPrograms(processes: string): Promise<{ programs: string[]; logs: string[] }> {
  const { readFile } = await import("node:fs/promises");
  const programs = new Set<string>();
  const logs = new Set<string>();
  const pids = (await readdir(processes).catch(() => [] as string[])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const name = await readFile(join(processes, pid, "comm"), "utf8").catch(() => "");
    if (name !== "") programs.add(name.trim());
    // Of other users' processes nobody but root may see what they have open.
    for (const fd of await readdir(join(processes, pid, "fd")).catch(() => [] as string[])) {
      const target = await readlink(join(processes, pid, "fd", fd)).catch(() => "");
      if (/\.log$/.test(target) && !NOT_LOOKED_IN.test(target) && !NOT_A_LOG.test(basename(target))) logs.add(target);
    }
  }
  return { programs: [...programs].sort(), logs: [...logs] };
}

async function look(
  path: string,
  formats: readonly PipelineFile[],
  nowMs: number,
): Promise<{ format: string | undefined; why: string } | "unreadable" | undefined> {
  let lines: string[];
  try {
    await access(path, constants.R_OK);
    lines = await firstLines(path, SAMPLE_LINES);
    // Binary data is no log.
    if (lines.some((line) => line.includes("\u0000"))) return undefined;
    if (lines.length === 0) return byName(path, formats);
    let found = recognise(lines, formats, { nowMs, path });
    if (found.format === undefined) {
      const last = recognise(await lastLines(path, SAMPLE_LINES), formats, { nowMs, path });
      if (last.format !== undefined) found = last;
    }
    const why =
      found.format === undefined
        ? "unknown format, kept as text"
        : `${found.format}: ${found.fits} of ${found.lines} lines looked at fit`;
    return { format: found.format, why };
  } catch {
    return "unreadable";
  }
}

/** What an empty file will hold, if its path says so: /var/log/nginx/error.log has all words of `nginx-error`. */
function byName(path: string, formats: readonly PipelineFile[]): { format: string | undefined; why: string } {
  const named = formats.find(({ name }) => isNamedIn(name, path));
  return named === undefined
    ? { format: undefined, why: "empty so far, kept as text" }
    : { format: named.name, why: `${named.name} by its name; empty so far` };
}

/** By folder and format; a folder in which all are alike is one pattern, so that files that are new later are read, too. */
function grouped(
  files: readonly { readonly path: string; readonly format: string | undefined; readonly why: string }[],
): FoundLogs[] {
  const groups = new Map<string, { path: string; format: string | undefined; why: string }[]>();
  for (const file of files) {
    // Each container has a folder of its own.
    const folder = /^\/var\/lib\/docker\/containers\//.test(file.path) ? "/var/lib/docker/containers/*" : dirname(file.path); // prettier-ignore
    const key = JSON.stringify([folder, file.format ?? null]);
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups].map(([key, members]) => {
    const [folder] = JSON.parse(key) as [string];
    const isAlone = [...groups.keys()].filter((other) => (JSON.parse(other) as [string])[0] === folder).length === 1;
    const isPattern =
      folder.includes("*") || (isAlone && members.length > 3 && members.every(({ path }) => path.endsWith(".log")));
    return {
      include: isPattern ? [`${folder}/*.log`] : members.map(({ path }) => path),
      ...{ files: members.length, format: members[0]!.format, why: members[0]!.why },
    };
  });
}

async function hasJournal(): Promise<boolean> {
  for (const folder of ["/run/log/journal", "/var/log/journal"]) {
    const entries = await readdir(folder).catch(() => [] as string[]);
    if (entries.length > 0) return true;
  }
  return false;
}
