import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ROOT } from "./servers/cache.ts";

/** A place of the built agent that is changed in a copy: `file` below dist/, and text that is there exactly once. */
export interface CodeChange {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/**
 * A copy of the built agent with the packages that it needs at run time, which every user may read, with some places
 * changed. Returns its launcher.
 */
export async function installCopy(folder: string, changes: readonly CodeChange[] = []): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  for (const part of ["bin", "dist/src", "pipelines", "package.json"]) {
    await cp(join(ROOT, part), join(folder, part), { recursive: true });
  }
  const lock = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean }>;
  };
  const packages = Object.entries(lock.packages)
    .filter(
      ([path, { dev }]) => path.startsWith("node_modules/") && dev !== true && !path.includes("/node_modules/", 1),
    )
    .map(([path]) => path);
  for (const path of packages) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    // Hard links where the file system allows: a copy of 200 MB takes seconds.
    const from = join(ROOT, path);
    const linked = spawnSync("cp", ["-alL", from, join(folder, path)], { stdio: "ignore" });
    if (linked.status !== 0)
      await cp(from, join(folder, path), { recursive: true, dereference: true }).catch(() => undefined);
  }
  for (const { file, from, to } of changes) {
    const path = join(folder, "dist", file);
    const code = await readFile(path, "utf8");
    assert.equal(code.split(from).length, 2, `${file} has no longer the one place to change: ${from}`);
    await writeFile(
      path,
      code.replace(from, () => to),
    );
  }
  return join(folder, "bin/wiretail");
}
