import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { errorMessage, systemErrorCode, WiretailError } from "../../core/error.ts";
import type { PipelineFile } from "../../runtime/config/pipeline-file.ts";
import { recognise, SAMPLE_LINES, type Recognition } from "../../runtime/recognition/recognise.ts";
import { fileMatcher, findFiles } from "../../disk/glob.ts";
import { firstLines, lastLines } from "./start.ts";

/** Lines after which a format is decided on at once; with fewer, more are waited for a moment. */
export const ENOUGH_LINES = 20;

/** One file, or all that a pattern stands for. */
export interface FileArgument {
  /** As it was written. */
  readonly said: string;
  /** As the file source takes it: a pattern, or a path with what would be special in it escaped. */
  readonly glob: string;
  /** Files that are there. */
  readonly paths: readonly string[];
}

/** What the arguments of `tail` stand for. Throws for folders and for what cannot be read. */
export async function findArgument(said: string, follows: boolean): Promise<FileArgument> {
  const path = resolve(said);
  const found = await stat(path).catch((error: unknown) => error);
  if (found instanceof Error || !("isDirectory" in (found as object))) return missing(said, path, found, follows);
  const stats = found as Awaited<ReturnType<typeof stat>>;
  if (stats.isDirectory()) {
    throw new WiretailError("WT_USAGE", `${said} is a folder`, {
      hint: `wiretail tail '${said.replace(/\/+$/, "")}/*.log'`,
    });
  }
  if (!stats.isFile())
    throw new WiretailError("WT_USAGE", `${said} is no file`, { hint: `cat ${said} | wiretail tail -` });
  if (/\.(gz|bz2|xz|zst|zip)$/.test(said)) {
    const cat = said.endsWith(".gz") ? "zcat" : said.endsWith(".xz") ? "xzcat" : "zstdcat";
    throw new WiretailError("WT_USAGE", `${said} is compressed`, { hint: `${cat} ${said} | wiretail tail -` });
  }
  return { said, glob: escapeGlob(path), paths: [path] };
}

async function missing(said: string, path: string, error: unknown, follows: boolean): Promise<FileArgument> {
  const code = systemErrorCode(error);
  if (code !== "ENOENT")
    throw new WiretailError("WT_SOURCE_FAILED", `cannot read ${said}: ${errorMessage(error)}`, {
      ...(code === "EACCES" ? { hint: `sudo wiretail tail ${said}` } : {}),
    });
  if (!/[*?[{]/.test(said)) {
    if (follows) return { said, glob: escapeGlob(path), paths: [] };
    throw new WiretailError("WT_SOURCE_FAILED", `${said} does not exist`);
  }
  const paths = await findFiles(fileMatcher([path], EXCLUDE), () => undefined);
  if (paths.length === 0 && !follows) throw new WiretailError("WT_SOURCE_FAILED", `no file matches ${said}`);
  return { said, glob: path, paths };
}

/** Compressed files: what the file source leaves out by itself. */
const EXCLUDE = ["*.gz", "*.bz2", "*.xz", "*.zst", "*.zip"];

/** A path whose characters stand for themselves. */
function escapeGlob(path: string): string {
  return path.replaceAll(/[\\*?[\]{}()!+@|]/g, "\\$&");
}

/** Recognises a file by its first lines, or by its last ones where these say nothing. Undefined: it has no line. */
export async function recogniseFile(
  path: string,
  formats: readonly PipelineFile[],
  nowMs: number,
): Promise<(Recognition & { readonly seen: number }) | undefined> {
  let lines: string[];
  try {
    lines = await firstLines(path, SAMPLE_LINES);
  } catch (error) {
    const code = systemErrorCode(error);
    throw new WiretailError("WT_SOURCE_FAILED", `cannot read ${path}: ${errorMessage(error)}`, {
      ...(code === "EACCES" ? { hint: `sudo wiretail tail ${path}, or join the group that may read it` } : {}),
    });
  }
  if (lines.length === 0) return undefined;
  const first = recognise(lines, formats, { nowMs, path });
  if (first.format !== undefined) return { ...first, seen: lines.length };
  const last = recognise(await lastLines(path, SAMPLE_LINES), formats, { nowMs, path });
  return { ...(last.format === undefined ? first : last), seen: lines.length };
}

/** Short names for paths, all different: the file's, with as many folders as it takes. */
export function labelsOf(paths: readonly string[]): Map<string, string> {
  const labels = new Map<string, string>();
  for (const path of paths) {
    const others = paths.filter((other) => other !== path);
    const parts = path.split("/");
    let label = basename(path);
    for (let n = 2; n < parts.length && others.some((other) => other.endsWith(`/${label}`)); n++)
      label = parts.slice(-n).join("/");
    labels.set(path, label);
  }
  return labels;
}

/** What is said of a recognised format, or of one that is not. */
export function explain(name: string, found: Recognition): string[] {
  if (found.format !== undefined) {
    const share =
      found.fits === found.lines
        ? `all ${found.lines} lines looked at fit`
        : `${found.fits} of ${found.lines} lines looked at fit`;
    const doubt = found.lines < 3 ? "; that is few" : "";
    const alike = found.alike.length === 0 ? "" : `; ${found.alike.join(", ")} would, too (--format ${found.alike[0]})`;
    return [`${name}: ${found.format} (${share}${doubt}${alike})`];
  }
  const near = found.nearest.map((fit) => `${fit.name} ${fit.fits}/${fit.lines}`).join(", ");
  return [
    `${name}: unknown format, shown as text${near === "" ? "" : ` (nearest: ${near} lines)`}`,
    `  to teach it, write a pipeline and look at what it makes of the lines: wiretail try ./my-format.json ${name}`,
  ];
}
