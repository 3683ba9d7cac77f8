import { WiretailError } from "../../core/error.ts";
import { readHost } from "./merge.ts";
import { realWorld } from "./pipeline-file.ts";
import { formatProblem, ProblemList } from "./problems.ts";
import { readSettings } from "./settings.ts";

/**
 * The state directory that a host file says, without looking at its components: for commands that only talk to the
 * running agent. Throws WT_CONFIG_INVALID when the file cannot be read or its settings are wrong.
 */
export async function readStateDir(file: string): Promise<string> {
  const world = realWorld();
  const problems = new ProblemList();
  const host = readHost(file, world, problems);
  const settings = readSettings(host, world, problems);
  // Of a file that cannot be read nothing is known: the default would be another agent's.
  if (settings !== undefined && host.complete) return settings.stateDir;
  const first = problems.sorted().find((problem) => problem.severity === "error");
  throw new WiretailError("WT_CONFIG_INVALID", first === undefined ? `${file} cannot be read` : formatProblem(first), {
    hint: `wiretail check ${file}`,
  });
}

export const DEFAULT_STATE_DIR = "/var/lib/wiretail";
