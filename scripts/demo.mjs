// npm run demo: a chat server writes two logs, the agent ships them to a local store, and you search it. From a fresh
// clone: it installs and builds first. Nothing is left running; everything it writes is in .demo/.
import { execFile, spawn } from "node:child_process";
import { mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import * as steps from "./steps.mjs";

const HELP = `npm run demo: see the main job work, with no server needed

  npm run demo                   until Ctrl-C
  npm run demo -- --seconds 20   ends by itself

A small chat server (examples/socketchat) with real clients writes connections.log and access.log; the agent tails both,
parses them and ships them to a local store (config/demo.json); then you see it at work: live events, rates, searches, and
the journey of one event. All in .demo/.
`;

const CONFIG = "config/demo.json";
const WIRETAIL = "bin/wiretail";
const FOLDER = path.join(steps.ROOT, ".demo");
const LOGS = ["connections.log", "access.log"];
const RATE = "40";
/** Let this pass before the searches, so that there is something to find. */
const TOUR_AFTER_MS = 5000;
const TOUR = [
  [
    "What does a log say? With no configuration at all",
    ["tail", ".demo/logs/access.log", "-n", "4", "--no-follow", "--where", "http.response.status_code >= 200"],
  ],
  ["What passes at this moment? Live, at any point of the agent", ["tap", "web", "-n", "3", "--seconds", "5"]],
  ["How fast is it, and where does the time go?", ["top", "--once"]],
  ["What went wrong on the web side?", ["search", "http.response.status_code >= 400", "--limit", "5"]],
  ["How did people come and go?", ["search", "event.category: network", "--limit", "5"]],
  ["How much was going on when?", ["search", "*", "--histogram"]],
  ["How did the web side answer?", ["search", "event.dataset: nginx.access", "--top", "http.response.status_code"]],
  ["What became of one event, from its line to the store?", ["search", "--trace", newestId]],
];

const stop = new AbortController();
let interrupted = false;

async function main() {
  const seconds = parse(process.argv.slice(2));
  if (seconds === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  steps.checkTools();
  refuseSecondDemo();
  await steps.ensureInstalled();
  await steps.ensureBuilt("product");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, interrupt);
  for (const folder of ["logs", "state", "store"]) rmSync(path.join(FOLDER, folder), { recursive: true, force: true });
  mkdirSync(path.join(FOLDER, "logs"), { recursive: true });

  const children = [];
  try {
    const example = start(
      "the chat server",
      "example.log",
      ["dist/examples/socketchat/main.js", "--dir", ".demo/logs", "--rate", RATE],
      true,
    );
    children.push(example);
    await example.ready;
    say(`${steps.green("✓")} a chat server with 24 people writes .demo/logs/connections.log and .demo/logs/access.log`);
    const agent = start("the agent", "agent.log", [WIRETAIL, "run", "--config", CONFIG]);
    children.push(agent);
    writeFileSync(path.join(FOLDER, "pids"), children.map((child) => child.process.pid).join("\n") + "\n");
    say(`${steps.green("✓")} the agent reads them: ${steps.bold(`${WIRETAIL} run --config ${CONFIG}`)}\n`);
    const started = Date.now();
    const end = seconds === undefined ? Infinity : started + seconds * 1000;
    await watch(agent, started, Math.min(started + TOUR_AFTER_MS, end - 2500));
    if (!stop.signal.aborted) await tour();
    if (!stop.signal.aborted && end === Infinity) say(`\n${steps.dim("It goes on until Ctrl-C.")}`);
    await watch(agent, started, end);
    return await finish(example, agent);
  } finally {
    for (const child of children) child.process.kill("SIGKILL");
    rmSync(path.join(FOLDER, "pids"), { force: true });
  }
}

function parse(args) {
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--help" || args[i] === "-h") return "help";
    const [name, value = args[i + 1]] = args[i].split("=", 2);
    if (name !== "--seconds") throw new steps.StepError(`unknown option ${args[i]}\n${HELP}`);
    if (!(Number(value) > 0)) throw new steps.StepError("--seconds needs a number above 0");
    return Number(value);
  }
  return undefined;
}

function interrupt() {
  if (interrupted) process.exit(130);
  interrupted = true;
  stop.abort();
}

/** A demo that was killed may have left its agent: two would share a folder. */
function refuseSecondDemo() {
  let pids = [];
  try {
    pids = readFileSync(path.join(FOLDER, "pids"), "utf8").trim().split("\n").map(Number);
  } catch {
    return;
  }
  for (const pid of pids.filter(isDemo)) {
    throw new steps.StepError(
      `a demo is running already in this checkout\nhint: end it with Ctrl-C there, or with: kill ${pid}`,
    );
  }
}

function isDemo(pid) {
  try {
    return /config\/demo\.json|socketchat/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  } catch {
    return false;
  }
}

/**
 * Starts a Node program in a process group of its own: Ctrl-C reaches only this script, which ends them in order. One
 * that `tells` sends a message when it is ready, and ends when this script is gone.
 */
function start(title, logName, args, tells = false) {
  const logFile = path.join(FOLDER, logName);
  const log = openSync(logFile, "w");
  const child = spawn(process.execPath, args, {
    cwd: steps.ROOT,
    detached: true,
    stdio: ["ignore", log, log, ...(tells ? ["ipc"] : [])],
  });
  closeSync(log);
  const state = { process: child, exit: undefined, title, logFile };
  state.ended = new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve((state.exit = code ?? signal)));
  });
  const failed = state.ended.then(() => Promise.reject(ended(state)));
  failed.catch(() => undefined);
  state.ready = Promise.race([new Promise((resolve) => child.once("message", resolve)), failed]);
  state.ready.catch(() => undefined);
  return state;
}

function ended(child) {
  const output = readFileSync(child.logFile, "utf8").split("\n").slice(-12).join("\n");
  return new steps.StepError(
    `${child.title} ended (${child.exit}); the end of ${path.relative(steps.ROOT, child.logFile)}:\n${output}`,
  );
}

const run = promisify(execFile);

async function wiretail(args) {
  const { stdout } = await run(process.execPath, [WIRETAIL, ...args, "--config", CONFIG], {
    cwd: steps.ROOT,
    maxBuffer: 1 << 28,
  });
  return stdout;
}

/** Undefined while the agent does not answer yet. */
async function status() {
  try {
    return JSON.parse(await wiretail(["status", "--json"]));
  } catch (error) {
    // An unhealthy agent prints its status too, and says so by its exit code.
    if (typeof error.stdout === "string" && error.stdout.startsWith("{")) return JSON.parse(error.stdout);
    return undefined;
  }
}

/** Shows counts and lag until `endMs` or an interrupt: one line that is rewritten, or, when piped, a line every 2 s. */
async function watch(agent, started, endMs) {
  let previous;
  for (let nextLine = 0; Date.now() < endMs && !stop.signal.aborted;) {
    if (agent.exit !== undefined) throw ended(agent);
    const now = await status();
    if (now !== undefined && (process.stdout.isTTY || Date.now() >= nextLine)) {
      const line = counts(now, previous, started);
      if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${line.slice(0, process.stdout.columns - 1)}`);
      else say(line);
      nextLine = Date.now() + 1900;
      previous = now;
    }
    await pause(Math.max(0, Math.min(700, endMs - Date.now())), undefined, { signal: stop.signal }).catch(
      () => undefined,
    );
  }
  if (process.stdout.isTTY) process.stdout.write("\n");
}

function counts(now, previous, started) {
  const sink = now.sinks[0];
  const seconds = Math.round((Date.now() - started) / 1000);
  const lag = (source) => `${source.read_events} lines, lag ${source.lag_bytes} B ${source.lag_seconds.toFixed(1)} s`;
  const sources = now.sources.map((source, i) => `${LOGS[i]} ${lag(source)}`);
  const since = previous === undefined ? 0 : (Date.parse(now.now) - Date.parse(previous.now)) / 1000;
  const rate =
    since > 0 ? `, ${Math.round((sink.delivered_events - previous.sinks[0].delivered_events) / since)}/s` : "";
  const trouble = sink.last_error === null || sink.state === "working" ? "" : `  ! ${sink.last_error.message}`;
  return `${String(seconds).padStart(4)} s  ${number(sink.delivered_events)} events in the store${rate}  ${sources.join("  ")}${trouble}`;
}

async function tour() {
  for (const [question, words] of TOUR) {
    if (stop.signal.aborted) return;
    const args = await Promise.all(words.map((word) => (typeof word === "function" ? word() : word)));
    if (args[0] !== "tail") args.push("--config", CONFIG);
    const shown = args.map((arg) => (/^[\w./-]+$/.test(arg) ? arg : `'${arg}'`)).join(" ");
    say(`\n${steps.bold(question)}\n${steps.cyan(`$ ${WIRETAIL} ${shown}`)}`);
    await new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [WIRETAIL, ...args], {
        cwd: steps.ROOT,
        env: { WIRETAIL_PAGER: "cat", ...process.env },
        stdio: ["ignore", "inherit", "inherit"],
      });
      child.once("error", reject);
      child.once("exit", (code) =>
        code === 0 || stop.signal.aborted ? resolve() : reject(new steps.StepError(`${args[0]} ended with ${code}`)),
      );
    });
  }
  say("");
}

/** The id of the newest event of the web side. */
async function newestId() {
  const [line] = (await wiretail(["search", "event.dataset: nginx.access", "--json", "--limit", "1"])).split("\n");
  return JSON.parse(line)._id;
}

/** Stops the server, lets the agent read and deliver the rest, compares, and says how to go on. */
async function finish(example, agent) {
  say(`\nending: the server stops, the agent delivers the rest`);
  example.process.kill("SIGTERM");
  await example.ended;
  const lines = LOGS.reduce((sum, name) => sum + linesOf(path.join(FOLDER, "logs", name)), 0);
  const deadline = Date.now() + 20_000;
  for (let now; (now = await status()) === undefined || now.sinks[0].delivered_events < lines;) {
    if (agent.exit !== undefined) throw ended(agent);
    if (Date.now() > deadline)
      throw new steps.StepError(`the agent did not deliver ${lines} lines within 20 s: see .demo/agent.log`);
    await pause(100);
  }
  agent.process.kill("SIGTERM");
  const code = await agent.ended;
  if (code !== 0) throw ended(agent);
  const found = (await wiretail(["search", "*", "--json", "--limit", String(lines + 1000)])).split("\n").length - 1;
  if (found !== lines)
    throw new steps.StepError(`${number(lines)} lines were written and ${number(found)} events are in the store`);
  say(`${steps.green("✓")} ${number(lines)} lines were written, and every line is in the store, once\n`);
  say(GO_ON);
  return 0;
}

const GO_ON = `How to go on
  search what was stored    ${WIRETAIL} search 'event.action: *' --top event.action --config ${CONFIG}
  watch it, next time       ${WIRETAIL} top --config ${CONFIG}, ${WIRETAIL} tap web --config ${CONFIG}
  look at one pipeline      ${WIRETAIL} try nginx-access .demo/logs/access.log
  the store                 .demo/store: NDJSON and Parquet files, readable by any tool
  ship to Elasticsearch     edit config/elasticsearch.json, then: ${WIRETAIL} check config/elasticsearch.json --connect
  ship to CloudWatch Logs   edit config/cloudwatch.json, then: ${WIRETAIL} check config/cloudwatch.json --connect
  run as a service          README.md, "Install as a service"`;

function linesOf(file) {
  return readFileSync(file, "latin1").split("\n").length - 1;
}

function number(value) {
  return value.toLocaleString("en");
}

function say(text) {
  process.stdout.write(text + "\n");
}

// `npm run demo | head` closes the pipe: that ends the demo too.
process.stdout.on("error", interrupt);
await steps.runScript(main);
// A closed pipe or an unfinished child must not keep the process.
process.exit();
