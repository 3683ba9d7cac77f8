// npm test: everything, on a fresh clone too. `npm test -- --help` lists the ways to run a part.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { lint } from "./lint.mjs";
import * as steps from "./steps.mjs";

/** In the order they run. `atOnce`: test files at the same time. `minutes`: after that the phase is stopped and fails. */
const PHASES = [
  { name: "unit", atOnce: 2, minutes: 4 },
  { name: "contract", atOnce: 2, minutes: 4 },
  { name: "fuzz", atOnce: 2, minutes: 5 },
  { name: "integration", atOnce: 2, minutes: 12 },
  { name: "e2e", atOnce: 1, minutes: 25 },
];
const NAMES = PHASES.map((phase) => phase.name);

const HELP = `npm test runs all tests. A part of them:

  npm test -- --unit                    one or more of ${NAMES.map((n) => `--${n}`).join(" ")} --lint --docs
  npm test -- kql                       test files whose path contains "kql"
  npm test -- --unit --grep 'rotated'   tests whose name matches a pattern
  npm test -- --no-build                do not install, build or look for system packages

With CI=true a skipped test is a failure.
`;

async function main() {
  const options = parse(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const started = Date.now();
  // logrotate and others are installed there, and not every user's PATH names it.
  process.env.PATH = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;
  steps.checkTools();
  if (options.build) {
    await steps.ensureInstalled();
    if (wants(options, "integration") || wants(options, "e2e")) await installSystemPackages();
    await steps.ensureBuilt("all");
    if (wants(options, "integration") || wants(options, "e2e")) await prepareServers();
  }
  const failures = [];
  if (options.all || options.parts.has("lint")) {
    const failed = await lint();
    if (failed > 0) failures.push(`${failed} of the lint checks (npm run lint)`);
  }
  if (options.all || options.parts.has("docs")) {
    const code = await steps.tryStep("generated files are up to date", process.execPath, [DOCS, "--check"]);
    if (code !== 0) failures.push("generated files differ from the code: run `npm run docs` and commit the result");
  }
  const results = [];
  for (const phase of PHASES.filter((p) => wants(options, p.name))) {
    const { outcomes, fault } = await runPhase(phase, options);
    results.push(...outcomes);
    if (fault !== undefined) failures.push(fault);
  }
  return summary(results, failures, started);
}

const DOCS = "dist/scripts/docs.js";

function parse(args) {
  const options = { parts: new Set(), paths: [], grep: undefined, build: true, help: false, all: true };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === "--help" || arg === "-h") options.help = true;
    else if (arg === "--no-build") options.build = false;
    else if (arg === "--grep") {
      options.grep = args[++i];
      if (options.grep === undefined) throw new steps.StepError("--grep needs a pattern");
    } else if (arg.startsWith("--")) {
      const part = arg.slice(2);
      if (![...NAMES, "lint", "docs"].includes(part)) throw new steps.StepError(`unknown option ${arg}\n${HELP}`);
      options.parts.add(part);
    } else options.paths.push(arg.replace(/\.ts$/, ""));
  }
  options.all = options.parts.size === 0 && options.paths.length === 0 && options.grep === undefined;
  return options;
}

function wants(options, name) {
  const tests = [...options.parts].filter((part) => NAMES.includes(part));
  if (options.parts.size > 0 && tests.length === 0) return false;
  return (tests.length === 0 || tests.includes(name)) && testFiles(name, options.paths).length > 0;
}

/** Test files of a phase that are to run, as sources: they may not be built yet. */
function testFiles(phase, paths) {
  return steps
    .filesBelow(path.join(steps.ROOT, "test", phase), ".test.ts")
    .map((file) => path.relative(steps.ROOT, file))
    .filter((file) => paths.length === 0 || paths.some((part) => file.includes(part)));
}

/** Debian's packages that tests with real servers need; elsewhere the tests themselves say what is missing. */
async function installSystemPackages() {
  const script = path.join(steps.ROOT, "scripts/install-test-deps.sh");
  if (existsSync(script)) await steps.step("system packages for the tests", "bash", [script], { shown: true });
}

/** Downloads what the tests' servers need, so that no test's time-out runs meanwhile. Tests say themselves what is missing. */
async function prepareServers() {
  const main = path.join(steps.ROOT, "dist/test/support/servers/main.js");
  await steps.tryStep("servers for the tests (downloads, once)", process.execPath, [main, "prepare"], { shown: true });
}

async function runPhase(phase, options) {
  const files = testFiles(phase.name, options.paths).map((file) => path.join("dist", file.replace(/\.ts$/, ".js")));
  console.log(`\n${steps.bold(`── ${phase.name}`)} ${steps.dim(`${files.length} files`)}`);
  mkdirSync(path.join(steps.ROOT, ".cache"), { recursive: true });
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-test-"));
  const recordFile = path.join(folder, "record.ndjson");
  const args = [
    "--test",
    `--test-concurrency=${phase.atOnce}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./scripts/test-record.mjs",
    `--test-reporter-destination=${recordFile}`,
    ...(options.grep === undefined ? [] : [`--test-name-pattern=${options.grep}`]),
    ...files,
  ];
  try {
    const code = await runTests(args, phase);
    const outcomes = existsSync(recordFile)
      ? readFileSync(recordFile, "utf8")
          .trim()
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line))
      : [];
    const knownFailure = outcomes.some((outcome) => outcome.outcome === "failed");
    return { outcomes, fault: code === 0 || knownFailure ? undefined : `the ${phase.name} tests ended with ${code}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs `node --test` in a process group of its own, so that a phase that hangs can be ended with all it started. */
async function runTests(args, phase) {
  const child = spawn(process.execPath, args, {
    cwd: steps.ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  const end = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended already.
    }
  };
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    end("SIGKILL");
  }, phase.minutes * 60_000);
  const interrupt = () => {
    end("SIGTERM");
    process.exit(130);
  };
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  try {
    const code = await new Promise((resolve) => child.once("close", (status, signal) => resolve(status ?? signal)));
    return late ? `a time-out after ${phase.minutes} minutes` : code;
  } finally {
    clearTimeout(limit);
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
}

function summary(results, failures, started) {
  const of = (outcome) => results.filter((result) => result.outcome === outcome);
  const failed = of("failed");
  const skipped = [...of("skipped"), ...of("todo")];
  const strict = process.env.CI === "true";
  const where = (result) => steps.dim(result.file === undefined ? "" : path.relative(steps.ROOT, result.file));
  console.log("");
  for (const result of failed) console.log(`${steps.red("✗")} ${result.name} ${where(result)}`);
  for (const result of skipped) {
    const why = `skipped${strict ? ", which CI=true does not allow" : ""}: ${result.reason || "no reason given"}`;
    console.log(`${strict ? steps.red("✗") : "-"} ${result.name} ${where(result)}\n  ${why}`);
  }
  for (const failure of failures) console.log(`${steps.red("✗")} ${failure}`);
  const bad = failed.length + failures.length + (strict ? skipped.length : 0);
  const minutes = ((Date.now() - started) / 60_000).toFixed(1);
  if (results.length === 0 && failures.length === 0) console.log("no test matched");
  console.log(`${of("passed").length} passed, ${bad} failed, ${strict ? 0 : skipped.length} skipped (${minutes} min)`);
  return bad > 0 ? 1 : 0;
}

await steps.runScript(main);
