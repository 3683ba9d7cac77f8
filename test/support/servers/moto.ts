import { execFile, spawn } from "node:child_process";
import { access, mkdir, rename, rm, stat } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/**
 * moto (Apache-2.0), an emulator of AWS services, as a CloudWatch Logs server. It is installed from PyPI into a venv in
 * the cache folder: `.cache/` of this checkout, or WIRETAIL_CACHE. WIRETAIL_TEST_CLOUDWATCH_URL names a server to use
 * instead.
 */
const REQUIREMENT = "moto[server,logs]==5.2.5";
const VENV_NAME = "moto-5.2.5";
const LOCK_STALE_MS = 15 * 60_000;
const START_DEADLINE_MS = 60_000;
const run = promisify(execFile);

export interface MotoServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a server of its own on a free loopback port, installing moto on first use (about 320 MB, a minute). */
export async function startMoto(): Promise<MotoServer> {
  const outside = process.env["WIRETAIL_TEST_CLOUDWATCH_URL"];
  if (outside !== undefined && outside !== "") return { url: outside, stop: async () => undefined };
  const venv = await prepareMoto();
  const port = await freePort();
  // Python itself rather than the script in bin/: that one's first line names the folder it was made in.
  const child = spawn(join(venv, "bin", "python"), ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-4000)));
  let exited = false;
  const exit = new Promise<void>((done) => {
    child.once("exit", () => done());
    child.once("error", (error) => {
      stderr += error.message;
      done();
    });
  }).then(() => {
    exited = true;
  });
  const stop = async (): Promise<void> => {
    if (!exited) child.kill("SIGKILL");
    await exit;
  };
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + START_DEADLINE_MS;
  while (!exited && Date.now() < deadline) {
    const up = await fetch(`${url}/moto-api/data.json`, { signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (up) return { url, stop };
    await sleep(50);
  }
  await stop();
  throw new Error(`moto did not start:\n${stderr}`);
}

/** Installs moto when it is not there yet; resolves with its venv. Safe to call from several processes at once. */
export async function prepareMoto(): Promise<string> {
  const cache = resolve(process.env["WIRETAIL_CACHE"] ?? join(repositoryRoot(), ".cache"));
  const venv = join(cache, VENV_NAME);
  if (await exists(join(venv, "ready"))) return venv;
  await mkdir(cache, { recursive: true });
  const lock = `${venv}.lock`;
  while (!(await takeLock(lock))) {
    if (await exists(join(venv, "ready"))) return venv;
    await sleep(500);
  }
  try {
    if (!(await exists(join(venv, "ready")))) await install(venv);
    return venv;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function install(venv: string): Promise<void> {
  process.stderr.write(`installing ${REQUIREMENT} into ${venv} (about a minute, once) …\n`);
  await rm(venv, { recursive: true, force: true });
  try {
    await run("python3", ["-m", "venv", venv]);
  } catch (error) {
    throw new Error(
      "cannot make a Python venv for moto: install python3 and python3-venv (Debian: apt-get install python3-venv)",
      {
        cause: error,
      },
    );
  }
  try {
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT];
    await run(join(venv, "bin", "python"), pip, { maxBuffer: 1 << 26 });
  } catch (error) {
    throw new Error(`cannot install ${REQUIREMENT} with pip: is a Python package index reachable?`, { cause: error });
  }
  // The marker is made last, so half an installation never counts.
  await mkdir(join(venv, "ready.part"), { recursive: true });
  await rename(join(venv, "ready.part"), join(venv, "ready"));
}

/** A lock is a folder: making one is atomic. A maker that died leaves it; after a while it is taken over. */
async function takeLock(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
    return true;
  } catch {
    const made = await stat(lock).catch(() => undefined);
    if (made !== undefined && Date.now() - made.mtimeMs > LOCK_STALE_MS)
      await rm(lock, { recursive: true, force: true });
    return false;
  }
}

/** Tests run from dist/, so the root is found by its package.json rather than by counting folders. */
function repositoryRoot(): string {
  const here = import.meta.dirname;
  const inDist = here.lastIndexOf(`${join("/", "dist", "test")}`);
  return inDist === -1 ? resolve(here, "../../..") : here.slice(0, inDist);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
