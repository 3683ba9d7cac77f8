import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { CAP_VERSION } from "../../../src/sources/packet/drivers/cap/addon.ts";
import { cached } from "./cache.ts";
import { progress, run } from "./tools.ts";

/**
 * Installs the npm package `cap`, which is compiled then (10 s; needs g++, make, python3 and libpcap-dev), into the cache.
 * Resolves with the environment in which Wiretail finds it.
 */
export async function prepareCap(): Promise<Record<string, string>> {
  const folder = await cached(`cap-${CAP_VERSION}-node${process.versions.modules}`, async (temporary) => {
    progress(`installing and compiling cap ${CAP_VERSION}`);
    await writeFile(join(temporary, "package.json"), "{}");
    const args = ["install", "--no-audit", "--no-fund", `cap@${CAP_VERSION}`];
    await run("npm", [...headers(), ...args], temporary);
    // npm leaves packages out whose scripts it may not run.
    if (!existsSync(join(temporary, "node_modules/cap/build/Release/cap.node")))
      throw new Error(`cap ${CAP_VERSION} was not compiled: is npm told not to run scripts?`);
  });
  const modules = join(folder, "node_modules");
  const before = process.env["NODE_PATH"];
  return { NODE_PATH: before === undefined || before === "" ? modules : `${modules}${delimiter}${before}` };
}

/** Node's headers, where they are installed beside it; else node-gyp downloads them. */
function headers(): string[] {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, "include/node/node.h")) ? [`--nodedir=${prefix}`] : [];
}
