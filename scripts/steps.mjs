// What `npm run demo`, `npm test` and `npm run build` share. Plain JavaScript without dependencies: it runs on a fresh
// clone, before anything is installed or built.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

const colour =
  process.env.FORCE_COLOR !== undefined
    ? process.env.FORCE_COLOR !== "0"
    : process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
const paint = (code) => (text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
export const bold = paint("1");
export const dim = paint("2");
export const red = paint("31");
export const green = paint("32");
export const cyan = paint("36");

/** Something the user has to mend. The message says what and how. */
export class StepError extends Error {}

/** Runs `main`; a StepError is printed without a stack. Sets the exit code to what `main` resolves with. */
export async function runScript(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    console.error(error instanceof StepError ? `${red("error:")} ${error.message}` : error);
    process.exitCode = 1;
  }
}

/** Throws unless Node is new enough and npm can be called. */
export function checkTools() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new StepError(
      `Node ${process.versions.node} is too old: Wiretail needs Node 20.19 or newer.\n` +
        "hint: install it from https://nodejs.org/ or with your version manager (nvm install 20), then run this again",
    );
  }
  if (!npmWorks()) {
    throw new StepError(
      "npm was not found beside Node, and it is needed to install the dependencies.\n" +
        "hint: on Debian `apt-get install npm`; elsewhere the installer from https://nodejs.org/ brings it",
    );
  }
}

function npmWorks() {
  if (process.env.npm_execpath && existsSync(process.env.npm_execpath)) return true;
  return spawnSync("npm", ["--version"], { stdio: "ignore" }).status === 0;
}

/** Installs the locked dependencies unless exactly these are there already. */
export async function ensureInstalled() {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const why = existsSync(path.join(ROOT, "node_modules"))
    ? `${missing[0]} and ${missing.length - 1} others differ from package-lock.json`
    : "first run";
  await step(`installing dependencies (npm ci; ${why})`, "npm", ["ci", "--no-progress"]);
}

function missingPackages() {
  const locked = JSON.parse(readFileSync(path.join(ROOT, "package-lock.json"), "utf8")).packages;
  let installed = {};
  try {
    installed = JSON.parse(readFileSync(path.join(ROOT, "node_modules/.package-lock.json"), "utf8")).packages;
  } catch {
    // Nothing installed yet.
  }
  return Object.keys(locked).filter(
    (name) => name !== "" && !locked[name].optional && installed[name]?.version !== locked[name].version,
  );
}

/** The two builds: what is shipped and demonstrated, and everything (tests and benches too). */
export const BUILDS = {
  product: { project: "tsconfig.build.json", folders: ["src", "examples"] },
  all: { project: "tsconfig.json", folders: ["src", "examples", "test", "bench", "scripts"] },
};

/** Compiles unless nothing changed since the last good build. */
export async function ensureBuilt(name) {
  const { project, folders } = BUILDS[name];
  // Who built everything has built the product, too.
  const stamps = [...new Set([name, "all"])].map((each) => path.join(ROOT, `dist/.built-${each}`)).filter(existsSync);
  const inputs = [project, "tsconfig.json", "package-lock.json", ...folders].map((file) => path.join(ROOT, file));
  const changedMs = Math.max(...inputs.map(newest));
  if (stamps.some((stamp) => changedMs <= statSync(stamp).mtimeMs)) return;
  await build(name);
}

export async function build(name) {
  const { project, folders } = BUILDS[name];
  const stamp = path.join(ROOT, `dist/.built-${name}`);
  const started = new Date();
  rmSync(stamp, { force: true });
  // An old one would run in the place of what is built here.
  rmSync(path.join(ROOT, "dist/bundle"), { recursive: true, force: true });
  for (const folder of folders) prune(folder);
  await Promise.all([
    step(`building (tsc -p ${project})`, process.execPath, ["node_modules/typescript/bin/tsc", "-p", project]),
    buildKernel(),
  ]);
  await step("compiling option schemas (ajv)", process.execPath, ["scripts/validators.mjs"]);
  await step("bundling what a start loads (esbuild)", process.execPath, ["scripts/bundle.mjs"]);
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, started.toISOString() + "\n");
}

/** Compiles the byte kernel to WebAssembly, where it is not newer than its source and its compiler. */
async function buildKernel() {
  await buildModule("lines", "lines.ts", "lines.ts");
  await buildModule("machine", "machine/machine.ts", "machine");
  await buildModule("headers", "headers.ts", "headers.ts");
  await buildModule("deflate", "deflate/deflate.ts", "deflate", SHARED_MEMORY);
}

/** Of a module whose memory other threads use, too: in pages of 64 KiB, as src/codec/gzip/kernel.ts makes it. */
const SHARED_MEMORY = [
  ...["--enable", "threads", "--importMemory", "--sharedMemory"],
  ...["--initialMemory", "272", "--maximumMemory", "272"],
];

/** `inputs`: the file or folder that the module is made of. */
async function buildModule(name, source, inputs, more = []) {
  const folder = "src/codec/kernel/assembly";
  const target = `dist/src/codec/kernel/${name}.wasm`;
  const files = [path.join(folder, inputs), "package-lock.json"];
  if (newest(path.join(ROOT, target)) > Math.max(...files.map((file) => newest(path.join(ROOT, file))))) return;
  const flags = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", ...more];
  const compile = ["node_modules/assemblyscript/bin/asc.js", `${folder}/${source}`, ...flags, "--outFile", target];
  await step(`building the byte kernel's ${name} (asc)`, process.execPath, compile);
}

/** Removes compiled files whose source is gone, so that a deleted test does not go on running. */
function prune(folder) {
  for (const file of filesBelow(path.join(ROOT, "dist", folder), ".js")) {
    const source = path.join(ROOT, path.relative(path.join(ROOT, "dist"), file)).replace(/\.js$/, ".ts");
    if (existsSync(source)) continue;
    rmSync(file);
    // tsc would believe that its outputs are all there.
    for (const info of [".tsbuildinfo", ".tsbuildinfo.build"]) rmSync(path.join(ROOT, "dist", info), { force: true });
  }
}

function newest(file) {
  if (!existsSync(file)) return 0;
  const stat = statSync(file);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(file, { withFileTypes: true }).reduce(
    (latest, entry) => Math.max(latest, newest(path.join(file, entry.name))),
    stat.mtimeMs,
  );
}

/** Every file below a folder whose name ends so, sorted; none when there is no such folder. */
export function filesBelow(folder, ending) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/**
 * Runs a command, says what it is doing and how long it took, and shows its output only when it fails.
 * A line every 10 s says that it still runs.
 */
export async function step(title, command, args, options = {}) {
  const code = await tryStep(title, command, args, options);
  if (code !== 0) throw new StepError(`${title} failed (exit code ${code}); its output is above`);
}

/** As `step`, but returns the exit code instead of throwing. */
export async function tryStep(title, command, args, { env = {}, shown = false } = {}) {
  const started = Date.now();
  const seconds = () => `${((Date.now() - started) / 1000).toFixed(1)} s`;
  console.log(`${cyan("…")} ${title}`);
  const tick = setInterval(() => console.log(dim(`  still at it: ${title}, ${seconds()}`)), 10_000);
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: shown ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
  });
  const output = [];
  child.stdout?.on("data", (chunk) => output.push(chunk));
  child.stderr?.on("data", (chunk) => output.push(chunk));
  try {
    const code = await new Promise((resolve, reject) => {
      child.once("error", (error) => reject(new StepError(`${title}: cannot run ${command}: ${error.message}`)));
      child.once("close", (status, signal) => resolve(status ?? `signal ${signal}`));
    });
    if (code === 0) console.log(`${green("✓")} ${title} ${dim(seconds())}`);
    else {
      process.stdout.write(Buffer.concat(output));
      console.log(`${red("✗")} ${title} ${dim(seconds())}`);
    }
    return code;
  } finally {
    clearInterval(tick);
  }
}
