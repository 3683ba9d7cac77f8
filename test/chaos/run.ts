import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { AgentStatus } from "../../src/runtime/status.ts";
import { FaultProxy } from "../support/doubles/fault-proxy.ts";
import type { ElasticsearchServer } from "../support/servers/elasticsearch.ts";
import { ElasticsearchProbe } from "../support/servers/elasticsearch-client.ts";
import { writeHost } from "../support/e2e.ts";
import { checkEquations } from "../support/equations.ts";
import { randomOf } from "../support/traffic.ts";
import { AGENT_USER, ChaosAgent, findLibfaketime } from "./chaos-agent.ts";
import { check, type Verdict } from "./checker.ts";
import { CloudWatchCalls } from "./cloudwatch-calls.ts";
import { inCloudWatch, inDeadLetters, inElasticsearch, inLocalStore, type FoundDeadLetter } from "./collect.ts";
import { FIRST_VARIANT, hostConfig } from "./host-config.ts";
import { hashOf, type ChaosLine } from "./lines.ts";
import { LogFile, settledPosition } from "./log-file.ts";
import type { PlannedFault } from "./plan.ts";
import { between, pick, type Lane, type World } from "./world.ts";

const run = promisify(execFile);

export interface ChaosRunOptions {
  readonly seed: number;
  /** How long faults begin, and logs are written. */
  readonly seconds: number;
  readonly plan: readonly PlannedFault[];
  readonly elasticsearch: ElasticsearchServer;
  /** A CloudWatch Logs server. */
  readonly cloudwatchUrl: string;
  /** The agent's launcher, readable by everybody (installCopy). */
  readonly launcher: string;
  /** How long the agent may deliver nothing at the end although something waits; five times as long in all. */
  readonly drainMs?: number;
  /** Left out: at the end a connection to CloudWatch is cut, and the agent's count of what it sent again is checked. */
  readonly withoutCut?: boolean;
  readonly log: (text: string) => void;
}

export interface DoneFault {
  readonly kind: string;
  readonly atMs: number;
  readonly tookMs: number;
  readonly draw: unknown;
  readonly outcome: string;
}

export interface ChaosRunResult {
  readonly faults: readonly DoneFault[];
  readonly lines: number;
  readonly unreadable: number;
  readonly sinks: Readonly<Record<"elasticsearch" | "local" | "cloudwatch", Verdict>>;
  /** Doubles in CloudWatch of calls that had an answer. */
  readonly unexplained: readonly string[];
  /** In the agent's last life: events sent again after calls without an answer, as the agent counted and as they are. */
  readonly ambiguous: { readonly counted: number; readonly sent: number };
  readonly deadLetters: readonly FoundDeadLetter[];
  readonly lives: number;
  /** What is not as promised; none when all is well. */
  readonly breaches: readonly string[];
  /** Kept when there are breaches: the logs, the state, and what the agent said. */
  readonly folder: string | undefined;
}

/** Why runs cannot be made here; undefined when they can. */
export function cannotRun(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root: for a small file system, other users, and their limits";
  if (findLibfaketime(existsSync) === undefined) return "needs libfaketime (Debian: apt-get install libfaketime)";
  return undefined;
}

/** One run: writers, faults, and then what is where. Everything it starts ends with it. */
export async function chaosRun(options: ChaosRunOptions): Promise<ChaosRunResult> {
  const folder = await mkdtemp(join(tmpdir(), "wiretail-chaos-"));
  let keep = true;
  try {
    const result = await new ChaosRun(options, folder).run();
    keep = result.breaches.length > 0;
    return { ...result, folder: keep ? folder : undefined };
  } finally {
    const state = join(folder, "state");
    if (keep) await run("cp", ["-a", state, join(folder, "state-kept")]).catch(() => undefined);
    await run("umount", [state]).catch(() => undefined);
    if (!keep) await rm(folder, { recursive: true, force: true });
  }
}

class ChaosRun {
  readonly #options: ChaosRunOptions;
  readonly #random: () => number;
  readonly #folder: string;
  readonly #dataset: string;
  readonly #breaches: string[] = [];
  readonly #done: DoneFault[] = [];
  readonly #closers: (() => Promise<unknown>)[] = [];
  #startedMs = 0;
  #isWriting = true;

  constructor(options: ChaosRunOptions, folder: string) {
    this.#options = options;
    this.#random = randomOf(hashOf(`run ${options.seed}`));
    this.#folder = folder;
    this.#dataset = `chaos.${folder.slice(-6).toLowerCase()}.${options.seed}`;
  }

  async run(): Promise<Omit<ChaosRunResult, "folder">> {
    const world = await this.#world();
    try {
      await world.agent.start();
      const writing = this.#write(world);
      this.#startedMs = Date.now();
      await this.#faults(world);
      await sleep(Math.max(0, this.#startedMs + this.#options.seconds * 1000 - Date.now()));
      this.#isWriting = false;
      await writing;
      await this.#drain(world);
      const ambiguous = await this.#cutConnection(world);
      const status = await world.agent.current.status().catch(() => undefined);
      if (status === undefined) this.#breaches.push("the agent gives no status");
      else this.#checkEquations(status);
      return await this.#compare(world, ambiguous);
    } finally {
      this.#isWriting = false;
      await world.agent.kill9();
      await world.agent.removeLitter();
      for (const close of this.#closers.reverse()) await close().catch(() => undefined);
      await writeFile(join(this.#folder, "agent.log"), world.agent.log);
      const probe = new ElasticsearchProbe(this.#options.elasticsearch.url);
      if (this.#breaches.length === 0)
        await probe.request("DELETE", `/_data_stream/${world.dataStream}`).catch(() => undefined);
    }
  }

  async #world(): Promise<World> {
    const folder = this.#folder;
    await chmod(folder, 0o755);
    const { elasticsearch, cloudwatchUrl, launcher } = this.#options;
    const [stateDir, logDir] = [join(folder, "state"), join(folder, "logs")];
    for (const each of ["state", "store", "logs", "logs/in", "logs/out", "logs/json", "logs/many"])
      await mkdir(join(folder, each));
    await run("mount", ["-t", "tmpfs", "-o", "size=64m,mode=0755", "tmpfs", stateDir]);
    for (const each of [stateDir, join(folder, "store")]) await chown(each, AGENT_USER, AGENT_USER);
    const clockFile = join(folder, "clock");
    await writeFile(clockFile, "+0\n");
    const elasticsearchProxy = await new FaultProxy({
      target: elasticsearch.url,
      random: randomOf(hashOf(`es ${this.#options.seed}`)),
      replyHeaders: { "x-elastic-product": "Elasticsearch", "content-type": "application/json" },
      errorBody: (status, type) => JSON.stringify({ error: { type, reason: "refused by the fault proxy" }, status }),
    }).start();
    this.#closers.push(() => elasticsearchProxy.stop());
    const cloudwatchCalls = new CloudWatchCalls();
    const cloudwatchProxy = await new FaultProxy({
      target: cloudwatchUrl,
      random: randomOf(hashOf(`cw ${this.#options.seed}`)),
      replyHeaders: { "content-type": "application/x-amz-json-1.1" },
      errorBody: (_status, type) => JSON.stringify({ __type: type, message: "refused by the fault proxy" }),
      onCall: (call) => cloudwatchCalls.note(call),
    }).start();
    this.#closers.push(() => cloudwatchProxy.stop());
    const hostParts = {
      ...{ folder, stateDir, logDir, dataset: this.#dataset },
      ...{ elasticsearchUrl: elasticsearchProxy.url, cloudwatchUrl: cloudwatchProxy.url },
      draw: {
        readChunkBytes: pick(this.#random, [1_024, 4_096, 126_976]),
        maxOpenFiles: pick(this.#random, [8, 64, 512]),
        memoryBudgetBytes: pick(this.#random, [2 << 20, 16 << 20, 128 << 20]),
        compression: pick(this.#random, ["gzip", "none"] as const),
      },
    };
    const host = await writeHost(folder, hostConfig(hostParts, FIRST_VARIANT));
    const agent = new ChaosAgent({
      ...{ launcher, host, clockFile, log: this.#options.log },
      libfaketime: findLibfaketime(existsSync) ?? "",
    });
    const writing = [
      ...Array.from({ length: 4 }, (_, i) => new LogFile(`in${i}`, join(logDir, `in/app${i}.log`), "text")),
      ...Array.from({ length: 4 }, (_, i) => new LogFile(`out${i}`, join(logDir, `out/web${i}.log`), "text")),
      ...Array.from({ length: 3 }, (_, i) => new LogFile(`json${i}`, join(logDir, `json/api${i}.log`), "json")),
    ];
    const unreadable: World["unreadable"] = [];
    const destroyed = new Set<string>();
    return {
      ...{ folder, stateDir, logDir, agent, elasticsearch, elasticsearchProxy, cloudwatchProxy, cloudwatchCalls },
      ...{ writing, logs: [...writing], unreadable, destroyed, allowedDeadLetters: new Set() },
      probe: new ElasticsearchProbe(elasticsearch.url),
      dataStream: `logs-${this.#dataset}-default`,
      memoryBudgetBytes: hostParts.draw.memoryBudgetBytes,
      writeHost: async (variant) => void (await writeHost(folder, hostConfig(hostParts, variant))),
      list: async (log, why) => {
        const tokens = log.after((await settledPosition(stateDir, log.path)) ?? 0);
        unreadable.push(...tokens.map((token) => ({ token, why })));
        for (const token of log.after(0)) destroyed.add(token);
        return tokens.length;
      },
    };
  }

  /** Applications at work: a few lines into some of the logs, again and again. */
  async #write(world: World): Promise<void> {
    const random = randomOf(hashOf(`writers ${this.#options.seed}`));
    while (this.#isWriting) {
      for (const log of world.writing) {
        if (random() < 0.5) continue;
        const lines = random() < 0.01 ? 500 : between(random, 1, 8);
        // One that is being rotated must not stop the others.
        void log.alone(() => (this.#isWriting ? log.append(lines) : Promise.resolve()));
      }
      await sleep(60);
    }
    for (const log of world.writing) await log.alone(() => Promise.resolve());
  }

  async #faults(world: World): Promise<void> {
    const lanes = new Map<Lane, PlannedFault[]>();
    for (const fault of this.#options.plan) lanes.set(fault.kind.lane, [...(lanes.get(fault.kind.lane) ?? []), fault]);
    await Promise.all(
      [...lanes.values()].map(async (faults) => {
        for (const fault of faults) {
          await sleep(Math.max(0, this.#startedMs + fault.atMs - Date.now()));
          await this.#fault(world, fault).catch((error: unknown) => {
            this.#options.log(`  ${fault.kind.name}: failed: ${String(error)}`);
            this.#breaches.push(
              `the fault ${fault.kind.name} could not be done or undone: ${String(error).slice(0, 300)}`,
            );
          });
        }
      }),
    );
    if (world.agent.pid === undefined) await world.agent.alone(() => world.agent.start());
  }

  async #fault(world: World, { kind, draw, seed }: PlannedFault): Promise<void> {
    const beganMs = Date.now();
    const atMs = beganMs - this.#startedMs;
    const outcome = await kind.run(world, draw, randomOf(seed));
    const done = { kind: kind.name, atMs, tookMs: Date.now() - beganMs, draw, outcome };
    this.#done.push(done);
    this.#options.log(
      `  ${(atMs / 1000).toFixed(1).padStart(5)} s  ${kind.name} ${JSON.stringify(draw)} ${outcome} (${(done.tookMs / 1000).toFixed(1)} s)`,
    );
  }

  /** Waits until the agent says, for some seconds, that all is delivered. */
  async #drain(world: World): Promise<void> {
    const patienceMs = this.#options.drainMs ?? 120_000;
    const beganMs = Date.now();
    let [settled, settledAtMs] = [-1, beganMs];
    let status: AgentStatus | undefined;
    let problem = "";
    for (let quiet = 0; quiet < 5;) {
      await sleep(600);
      try {
        status = await world.agent.current.status();
        problem = undelivered(status, world);
        const now = status.sinks.reduce((sum, sink) => sum + sink.delivered_events + sink.dead_lettered_events, 0);
        if (now !== settled) [settled, settledAtMs] = [now, Date.now()];
      } catch (error) {
        problem = `no status: ${String(error).slice(0, 300)}`;
      }
      quiet = problem === "" ? quiet + 1 : 0;
      if (Date.now() > settledAtMs + patienceMs || Date.now() > beganMs + 5 * patienceMs) {
        const [all, idle] = [Date.now() - beganMs, Date.now() - settledAtMs].map((ms) => Math.round(ms / 1000));
        this.#breaches.push(`not everything is delivered after ${all} s, nothing for ${idle} s: ${problem}`);
        // An agent that never answered has none to keep.
        if (status !== undefined)
          await writeFile(join(this.#folder, "status.json"), JSON.stringify(status, undefined, 1));
        break;
      }
    }
  }

  /** At the end a connection is cut for certain: the agent has to send the events again, and to count them. */
  async #cutConnection(world: World): Promise<{ counted: number; sent: number }> {
    if (this.#breaches.length > 0 || this.#options.withoutCut === true) return { counted: 0, sent: 0 };
    const before = await ambiguousEvents(world);
    const from = world.cloudwatchCalls.count;
    const log = world.writing[0]!;
    world.cloudwatchProxy.fault = { kind: "reset_reply" };
    await log.alone(() => log.append(40));
    for (let i = 0; i < 100 && world.cloudwatchCalls.count === from; i++) await sleep(20);
    world.cloudwatchProxy.clear();
    await this.#drain(world);
    return { counted: (await ambiguousEvents(world)) - before, sent: world.cloudwatchCalls.sentAgain(from) };
  }

  #checkEquations(status: AgentStatus): void {
    try {
      checkEquations(status);
    } catch (error) {
      this.#breaches.push(`its own numbers do not add up: ${String(error).replace(/\s+/g, " ").slice(0, 600)}`);
    }
  }

  async #compare(world: World, ambiguous: ChaosRunResult["ambiguous"]): Promise<Omit<ChaosRunResult, "folder">> {
    const breaches = this.#breaches;
    await world.agent.stop().catch(async (error: unknown) => {
      breaches.push(`it was not stopped in order: ${String(error).replace(/\s+/g, " ").slice(0, 600)}`);
      await world.agent.kill9();
    });
    breaches.push(...world.agent.crashes.map((crash) => `the agent ${crash}`));
    const unreadable = new Set(world.unreadable.map(({ token }) => token));
    const deadLetters = await inDeadLetters(world.stateDir);
    const refused = new Set(
      deadLetters.filter(({ sink }) => ["es", "search"].includes(sink)).map(({ token }) => token),
    );
    const host = join(this.#folder, "host.json");
    const lines = [...linesOf(world)];
    const conflicts = new Set(lines.filter(({ isConflict }) => isConflict).map(({ token }) => token));
    const originals = lines.map((line) => ({ ...line, message: line.original }));
    const [inEs, inStore, inCw] = await Promise.all([
      inElasticsearch(world.probe, world.dataStream),
      inLocalStore(host),
      inCloudWatch(this.#options.cloudwatchUrl, this.#dataset),
    ]);
    const none = new Set<string>();
    const sinks = {
      elasticsearch: check({ lines, found: inEs, unreadable, deadLetters: refused }),
      local: check({ lines, found: inStore, unreadable, deadLetters: none }),
      cloudwatch: check({ lines: originals, found: inCw, unreadable, deadLetters: none }),
    };
    const some = (tokens: readonly string[]) =>
      `${tokens.length} (${tokens.slice(0, 6).join(" ")}${tokens.length > 6 ? " …" : ""})`;
    for (const [name, verdict] of Object.entries(sinks)) {
      for (const what of ["missing", "mangled", "unknown", "misplaced"] as const) {
        if (verdict[what].length > 0) breaches.push(`${name}: ${what}: ${some(verdict[what])}`);
      }
      if (name !== "cloudwatch" && verdict.doubled.length > 0)
        breaches.push(`${name}: doubled: ${some(verdict.doubled)}`);
    }
    const unanswered = world.cloudwatchCalls.unanswered();
    const unexplained = sinks.cloudwatch.doubled.filter((token) => !unanswered.has(token));
    if (unexplained.length > 0) breaches.push(`cloudwatch: doubles of calls that had an answer: ${some(unexplained)}`);
    if (ambiguous.counted !== ambiguous.sent)
      breaches.push(
        `cloudwatch: the agent counted ${ambiguous.counted} events sent again, and it were ${ambiguous.sent}`,
      );
    const wrong = deadLetters.filter(
      ({ sink, token, reason }) =>
        !["es", "search"].includes(sink) ||
        !(conflicts.has(token) || (world.allowedDeadLetters.has("too_large") && reason.startsWith("too large"))),
    );
    if (wrong.length > 0)
      breaches.push(`dead letters that should be none: ${wrong.length} (${JSON.stringify(wrong[0])})`);
    if (breaches.length > 0) {
      const details = { sinks, unexplained, wrong, unreadable: world.unreadable };
      await writeFile(join(this.#folder, "verdicts.json"), JSON.stringify(details, undefined, 1));
    }
    return {
      ...{ faults: this.#done, lines: lines.length, unreadable: unreadable.size, sinks, unexplained, ambiguous },
      ...{ deadLetters, lives: world.agent.lives, breaches },
    };
  }
}

function* linesOf(world: World): Generator<ChaosLine> {
  for (const log of world.logs) for (let i = 0; i < log.count; i++) yield log.line(i);
}

/** What the agent has not delivered, as it says itself; nothing when all is. */
function undelivered(status: AgentStatus, world: World): string {
  const inputs = status.sources.flatMap((source) => source.inputs);
  for (const log of world.writing) {
    if (log.size > 0 && !inputs.some(({ name }) => name === log.path)) return `${log.path} is not among its inputs`;
  }
  const late = inputs.find(
    (input) => (input.lag_bytes ?? 0) > 0 || input.error !== null || input.read_bytes !== input.size_bytes,
  );
  if (late !== undefined) return JSON.stringify(late);
  const waiting = status.sinks.find((sink) => sink.queued_events > 0);
  return waiting === undefined ? "" : JSON.stringify(waiting);
}

async function ambiguousEvents(world: World): Promise<number> {
  const url = /http:\/\/127\.0\.0\.1:\d+\/metrics/.exec(world.agent.current.stderr)?.[0];
  if (url === undefined) throw new Error("the agent does not say where its metrics are");
  const text = await (await fetch(url)).text();
  return Number(/^wiretail_cloudwatch_logs_ambiguous_events_total\{[^}]*\} (\S+)$/m.exec(text)?.[1] ?? 0);
}
