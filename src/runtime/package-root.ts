import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

let found: string | undefined;

/** The folder that holds package.json, `pipelines/` and `config/`, in a checkout and in an installed package alike. */
export function packageRoot(): string {
  if (found === undefined) {
    let folder = import.meta.dirname;
    while (!existsSync(join(folder, "package.json")) && folder !== dirname(folder)) folder = dirname(folder);
    found = folder;
  }
  return found;
}

/** The folder of the pipelines that come with Wiretail. */
export function shippedPipelinesFolder(): string {
  return join(packageRoot(), "pipelines");
}
