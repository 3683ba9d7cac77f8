import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "jsonc-parser";
import { errorMessage, WiretailError } from "../core/error.ts";

/**
 * The folder of the local store: `--store`, or the path of the one sink of type `local` in the host file (or in the
 * files of `conf.d` beside it). Reads leniently, so that a store can be searched whatever else is wrong in the file.
 */
export async function storeFolder(options: { readonly config?: string; readonly store?: string }): Promise<string> {
  if (options.store !== undefined) return options.store;
  if (options.config === undefined) {
    throw new WiretailError("WT_USAGE", "which store?", {
      hint: "say -c FILE (the host's configuration) or --store FOLDER",
    });
  }
  const found = new Map<string, string>();
  for (const file of [options.config, ...(await confFiles(options.config))])
    collect(await read(file), path.dirname(file), found);
  const folders = [...new Set(found.values())];
  if (folders.length === 1) return folders[0]!;
  throw new WiretailError(
    "WT_USAGE",
    folders.length === 0
      ? `${options.config} has no sink of type local`
      : `${options.config} has several sinks of type local: ${[...found.keys()].join(", ")}`,
    {
      hint:
        folders.length === 0
          ? 'add one, e.g. "here": { "type": "local", "path": "/var/lib/wiretail/store" }'
          : `say which: --store ${folders[0]}`,
    },
  );
}

async function confFiles(config: string): Promise<string[]> {
  const { readdir } = await import("node:fs/promises");
  const folder = path.join(path.dirname(config), "conf.d");
  const names = await readdir(folder).catch(() => [] as string[]);
  return names
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => path.join(folder, name));
}

async function read(file: string): Promise<unknown> {
  try {
    return parse(await readFile(file, "utf8"), undefined, { allowTrailingComma: true }) as unknown;
  } catch (error) {
    throw new WiretailError("WT_CONFIG_UNREADABLE", `cannot read ${file}: ${errorMessage(error)}`, { cause: error });
  }
}

function collect(config: unknown, folder: string, found: Map<string, string>): void {
  const sinks = (config as { sinks?: Record<string, { type?: unknown; path?: unknown }> } | undefined)?.sinks ?? {};
  for (const [name, sink] of Object.entries(sinks)) {
    if (sink?.type !== "local") continue;
    const said = typeof sink.path === "object" ? fromEnvironment(sink.path) : sink.path;
    // As the agent does: a relative path starts at the file that says it.
    if (typeof said === "string") found.set(name, path.resolve(folder, said));
  }
}

function fromEnvironment(value: unknown): unknown {
  const name = (value as { $env?: unknown } | null)?.$env;
  return typeof name === "string" ? process.env[name] : undefined;
}
