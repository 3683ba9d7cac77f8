import { execFile, spawn } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { cached } from "./cache.ts";

/**
 * moto (Apache-2.0), an emulator of AWS services, as a CloudWatch Logs server. It is installed from PyPI into a venv in
 * the cache folder: `.cache/` of this checkout, or WIRETAIL_CACHE. WIRETAIL_TEST_CLOUDWATCH_URL names a server to use
 * instead.
 */
const VERSION = "5.2.5";
const REQUIREMENT = `moto[server,logs]==${VERSION}`;
const NEEDS_PYTHON = "install python3 and python3-venv (Debian, Ubuntu: apt-get install python3-venv)";
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
  // Python itself rather than the script in bin/, whose first line names the folder it was made in.
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
  const kill = (): void => void child.kill("SIGKILL");
  // A test that dies must not leave a server behind.
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    if (!exited) kill();
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
  const python = await pythonVersion();
  return cached(`moto-${VERSION}-python${python}`, async (venv) => {
    process.stderr.write(`installing ${REQUIREMENT} (about 320 MB and a minute, once) …\n`);
    try {
      await run("python3", ["-m", "venv", venv]);
    } catch (error) {
      throw new Error(`cannot make a Python venv for moto: ${NEEDS_PYTHON}`, { cause: error });
    }
    try {
      const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT];
      await run(join(venv, "bin", "python"), pip, { maxBuffer: 1 << 26 });
    } catch (error) {
      throw new Error(`cannot install ${REQUIREMENT} with pip: is a Python package index reachable?`, { cause: error });
    }
  });
}

/** A venv is of use only to the Python that made it. */
async function pythonVersion(): Promise<string> {
  try {
    const { stdout } = await run("python3", ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    return stdout.trim();
  } catch (error) {
    throw new Error(`moto needs Python 3: ${NEEDS_PYTHON}`, { cause: error });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
