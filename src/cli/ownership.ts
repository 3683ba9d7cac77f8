import { chown, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { WiretailError } from "../core/error.ts";

/**
 * After root changed files in a state directory: gives them to its owner, or the agent, which runs as that user, could not
 * read them. `names` are files in it, or folders with files. Does nothing for other users.
 */
export async function giveToOwner(stateDir: string, names: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(stateDir);
  for (const name of names) {
    const path = join(stateDir, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    await chown(path, uid, gid);
    if (found.isDirectory()) for (const file of await readdir(path)) await chown(join(path, file), uid, gid);
  }
}

/** Throws where root would write all over a state directory of another user. */
export async function refuseAsRoot(stateDir: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const found = await stat(stateDir).catch(() => undefined);
  if (found === undefined || found.uid === 0) return;
  throw new WiretailError(
    "WT_STATE_UNWRITABLE",
    `${stateDir} belongs to another user (${found.uid}), who could not read what root writes there`,
    {
      hint: `start the agent, or run this as that user: setpriv --reuid=${found.uid} --regid=${found.gid} --init-groups …`,
    },
  );
}
