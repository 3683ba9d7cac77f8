import { readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import picomatch from "picomatch";

/** Which files a source reads, and where to look for them. */
export interface FileMatcher {
  /** Folders that exist or may come to exist, and below which all matches lie. */
  readonly bases: readonly string[];
  matches(path: string): boolean;
  /** Whether matches may lie below this folder. */
  mayContain(folder: string): boolean;
}

/** Globs are picomatch's; relative ones begin in the working directory. */
export function fileMatcher(include: readonly string[], exclude: readonly string[]): FileMatcher {
  const options = { dot: true };
  const globs = include.map((glob) => resolve(glob));
  const isIncluded = picomatch(globs, options);
  // "*.gz" excludes such files wherever they are; a path with a folder is meant as it stands.
  const isExcluded = picomatch(
    exclude.map((glob) => (glob.includes("/") ? (glob.startsWith("**") ? glob : resolve(glob)) : `**/${glob}`)),
    options,
  );
  const folders = globs.map((glob) => {
    const scanned = picomatch.scan(glob, {}) as { base: string; isGlob: boolean };
    const base = scanned.isGlob ? scanned.base || "/" : dirname(glob);
    const segments = glob.split("/").slice(1, -1);
    const anyDepth = glob.includes("**") || /[{(][^})]*\//.test(glob);
    return { base, anyDepth, segments: anyDepth ? [] : segments.map((segment) => picomatch(segment, options)) };
  });
  return {
    bases: [...new Set(folders.map((folder) => folder.base))],
    matches: (path) => isIncluded(path) && !isExcluded(path),
    mayContain: (path) =>
      folders.some(({ base, anyDepth, segments }) => {
        if (path === base || base.startsWith(path === "/" ? "/" : path + "/")) return true;
        if (!path.startsWith(base === "/" ? "/" : base + "/")) return false;
        if (anyDepth) return true;
        const parts = path.split("/").slice(1);
        return parts.length <= segments.length && parts.every((part, i) => segments[i]!(part));
      }),
  };
}

/**
 * All files that match now, in order of name. Folders that cannot be read are given to `onError`. What `isKnown` says yes
 * to is known to match: that saves trying the globs again.
 */
export async function findFiles(
  matcher: FileMatcher,
  onError: (folder: string, error: unknown) => void,
  isKnown: (path: string) => boolean = () => false,
): Promise<string[]> {
  const found = new Set<string>();
  const visited = new Set<string>();
  const visit = async (folder: string): Promise<void> => {
    const real = await realpath(folder).catch(() => folder);
    if (visited.has(real)) return;
    visited.add(real);
    let entries;
    try {
      entries = await readdir(folder, { withFileTypes: true });
    } catch (error) {
      onError(folder, error);
      return;
    }
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isFile() && isKnown(path)) {
        found.add(path);
        continue;
      }
      const matches = matcher.matches(path);
      const mayContain = matcher.mayContain(path);
      if (!matches && !mayContain) continue;
      let isFolder = entry.isDirectory();
      let isFile = entry.isFile();
      if (entry.isSymbolicLink()) {
        const target = await stat(path).catch(() => undefined);
        isFolder = target?.isDirectory() ?? false;
        isFile = target?.isFile() ?? false;
      }
      if (isFile && matches) found.add(path);
      else if (isFolder && mayContain) await visit(path);
    }
  };
  for (const base of matcher.bases) await visit(base);
  return [...found].sort();
}
