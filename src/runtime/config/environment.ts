import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import picomatch from "picomatch";
import { systemErrorCode } from "../../core/error.ts";
import { isExclusion } from "./component-config.ts";
import { nearestName } from "./nearest.ts";
import { ProblemList } from "./problems.ts";
import type { ConfigProblem, HostConfig, Location, SourceConfig } from "./types.ts";
import { walkSchema } from "./walk-schema.ts";

/** Folders and files looked at for one pattern, at most: `check` is to stay quick on big trees. */
const MAX_ENTRIES = 50_000;

/**
 * Checks a valid configuration against this host, as the present user: folders that cannot be written are errors,
 * patterns that match no file are warnings.
 */
export function checkEnvironment(config: HostConfig): ConfigProblem[] {
  const problems = new ProblemList();
  const start: Location = { file: config.file, line: 1, column: 1, pointer: "/state_dir" };
  checkWritable(config.stateDir, start, "the state directory", problems);
  for (const source of config.sources) checkPatterns(source, problems);
  return problems.sorted();
}

function checkWritable(folder: string, location: Location, what: string, problems: ProblemList): void {
  let nearest = folder;
  for (;;) {
    try {
      if (!statSync(nearest).isDirectory()) {
        problems.error(location, `${what} ${folder} cannot be used: ${nearest} is not a folder`);
        return;
      }
      accessSync(nearest, constants.W_OK | constants.X_OK);
      return;
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === "ENOENT" && nearest !== dirname(nearest)) {
        nearest = dirname(nearest);
        continue;
      }
      const verb = nearest === folder ? "written" : "created";
      problems.error(
        location,
        `${what} ${folder} cannot be ${verb} by the user ${process.getuid?.() ?? "?"}: ${reason(code)}${nearest === folder ? "" : ` in ${nearest}`}`,
        'give it to the agent\'s user (chown), or set "state_dir" to a folder of its own',
      );
      return;
    }
  }
}

function reason(code: string | undefined): string {
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  return code === "EROFS" ? "the file system is read-only" : (code ?? "unknown");
}

function checkPatterns(source: SourceConfig, problems: ProblemList): void {
  walkSchema(source.definition.schema, source.options, ({ schema, value, pointer }) => {
    if (schema["x-syntax"] !== "glob" || typeof value !== "string" || isExclusion(pointer)) return;
    const outcome = findMatch(value);
    if (outcome === true) return;
    const location = { ...source.location, pointer: source.location.pointer + pointer };
    problems.warning(location, `${value} matches no file now${outcome}`);
  });
}

/** True when a file matches, otherwise words for why none does. */
function findMatch(pattern: string): true | string {
  const { base, isGlob } = picomatch.scan(pattern);
  if (!isGlob) {
    try {
      if (statSync(pattern).isFile()) return true;
      return ": it is not a file";
    } catch (error) {
      return because(pattern, systemErrorCode(error));
    }
  }
  const matches = picomatch(pattern, { dot: true });
  const waiting = [base === "" ? "/" : base];
  let seen = 0;
  let refused: string | undefined;
  for (let folder = waiting.shift(); folder !== undefined; folder = waiting.shift()) {
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (++seen > MAX_ENTRIES) return true;
        const path = join(folder, entry.name);
        if (entry.isDirectory()) waiting.push(path);
        else if (matches(path)) return true;
      }
    } catch (error) {
      const code = systemErrorCode(error);
      if (folder === base) return because(base, code);
      if (code === "EACCES") refused ??= folder;
    }
  }
  return refused === undefined ? "" : `, but the folder ${refused} cannot be read: permission denied`;
}

function because(path: string, code: string | undefined): string {
  if (code === "EACCES") return `: permission denied on ${path}`;
  if (code !== "ENOENT") return `: ${path}: ${code ?? "unknown"}`;
  let parent = path;
  let child = path;
  while (parent !== dirname(parent)) {
    child = parent;
    parent = dirname(parent);
    try {
      const name = basename(child);
      // Of three letters, any other name is near.
      const names = readdirSync(parent);
      const near = name.length > 3 ? nearestName(name, names) : undefined;
      return `: ${child} does not exist${near === undefined ? "" : `; did you mean ${join(parent, near)}?`}`;
    } catch {
      continue;
    }
  }
  return "";
}
