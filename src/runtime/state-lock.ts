import { spawn } from "node:child_process";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, systemErrorCode, WiretailError } from "../core/error.ts";

/** Makes the state directory if need be. Throws WT_STATE_UNWRITABLE with what to do. */
export async function makeStateDir(stateDir: string): Promise<void> {
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o750 });
    const probe = await open(join(stateDir, "lock"), "a", 0o640);
    await probe.close();
  } catch (error) {
    const code = systemErrorCode(error);
    const hint =
      code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? `make it writable for this user, or set "state_dir" to a folder of yours`
        : `set "state_dir" to a folder that can be made`;
    throw new WiretailError(
      "WT_STATE_UNWRITABLE",
      `cannot write to the state directory ${stateDir}: ${errorMessage(error)}`,
      { cause: error, hint },
    );
  }
}

/**
 * Takes the lock of a state directory: one agent at a time. The kernel releases it when the process dies, however it
 * dies. Node has no flock(2): the `flock` program (util-linux) takes it on our open file, where it stays with us.
 *
 * Waits up to `waitMs` for another process to let go of it; then throws WT_STATE_LOCKED.
 */
export async function lockStateDir(stateDir: string, waitMs = 0): Promise<FileHandle> {
  const path = join(stateDir, "lock");
  const handle = await open(path, "a+", 0o640);
  const exitCode = await new Promise<number | string>((resolve) => {
    const child = spawn("flock", [...(waitMs > 0 ? ["-w", (waitMs / 1000).toFixed(3)] : ["-n"]), "-E", "75", "3"], {
      stdio: ["ignore", "ignore", "ignore", handle.fd],
    });
    child.on("error", (error) => resolve(error.message));
    child.on("exit", (code) => resolve(code ?? 1));
  });
  if (exitCode === 0) {
    await handle.truncate(0);
    await handle.write(`${process.pid}\n`, 0);
    return handle;
  }
  const holder = exitCode === 75 ? (await handle.readFile("utf8").catch(() => "")).trim() : "";
  await handle.close();
  if (exitCode === 75) {
    throw new WiretailError(
      "WT_STATE_LOCKED",
      `another agent${holder === "" ? "" : ` (process ${holder})`} runs with the state directory ${stateDir}`,
      {
        hint: `stop it, take over from it (wiretail run --takeover), or give this one its own "state_dir"`,
      },
    );
  }
  throw new WiretailError("WT_STATE_UNWRITABLE", `cannot lock ${path}: flock said ${exitCode}`, {
    hint: "install flock (package util-linux)",
  });
}
