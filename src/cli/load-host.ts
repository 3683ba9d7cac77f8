import type { Log, Placeholders } from "../core/component.ts";
import { WiretailError } from "../core/error.ts";
import type { HostConfig } from "../runtime/config/types.ts";

/** Loads a configuration, printing every problem; throws when there are errors. */
export async function loadHost(file: string): Promise<HostConfig> {
  const [{ loadConfig }, { components }, { formatProblem }] = await Promise.all([
    import("../runtime/config/load.ts"),
    import("./components.ts"),
    import("../runtime/config/problems.ts"),
  ]);
  const { config, problems } = await loadConfig(file, { components });
  for (const problem of problems) process.stderr.write(formatProblem(problem) + "\n");
  if (config === undefined) {
    const count = problems.filter((problem) => problem.severity === "error").length;
    throw new WiretailError("WT_CONFIG_INVALID", `${file} has ${count} error${count === 1 ? "" : "s"}`, {
      hint: `wiretail check ${file}`,
    });
  }
  return config;
}

/** Finds the values of placeholders such as {instance_id}, as far as a configuration needs them. */
export async function placeholdersOf(config: HostConfig, log: Log): Promise<Placeholders> {
  const { resolvePlaceholders } = await import("../runtime/placeholders.ts");
  return resolvePlaceholders(config, {
    warn: (message) => {
      log.warn(message);
    },
  });
}

/** The state directory that `-c` or `--state-dir` say; the default one without either. */
export async function stateDirOf(options: { readonly config?: string; readonly stateDir?: string }): Promise<string> {
  const { readStateDir, DEFAULT_STATE_DIR } = await import("../runtime/config/state-dir.ts");
  return options.stateDir ?? (options.config === undefined ? DEFAULT_STATE_DIR : await readStateDir(options.config));
}
