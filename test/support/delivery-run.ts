import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import type { AgentStatus } from "../../src/runtime/status.ts";
import { AgentProcess, waitFor, wiretail, writeHost } from "./e2e.ts";
import { startCloudWatchDouble, type CloudWatchDouble } from "./doubles/cloudwatch.ts";
import { ElasticsearchProbe } from "./servers/elasticsearch-client.ts";
import { appLine, chatLine, LogWriter, randomOf, rotate, tally, tokensOf, webLine, type Tally } from "./traffic.ts";

export interface DeliveryRunOptions {
  readonly folder: string;
  readonly elasticsearchUrl: string;
  /** A CloudWatch Logs server to read back from; left out, only the strict double is used. */
  readonly cloudwatchUrl?: string;
  readonly kills: number;
  /** Decides when the agent is killed and what is rotated. */
  readonly seed: number;
  /** Tells runs on one server apart: the data stream is `logs-DATASET-default`, the log group DATASET. */
  readonly dataset: string;
  /** The agent, instead of this checkout's. */
  readonly command?: readonly string[];
  /** How long the agent gets at the end to deliver everything. */
  readonly withinMs?: number;
}

export interface DeliveryRunResult {
  readonly lines: number;
  readonly elasticsearch: Tally;
  readonly local: Tally;
  readonly file: Tally;
  readonly moto: Tally | undefined;
  readonly double: Tally;
  /** Tokens of calls to the double that the agent cannot have had an answer for. */
  readonly unanswered: ReadonlySet<string>;
  /** In the last life of the agent, after a cut connection: events sent again as the agent counted them, and as they are. */
  readonly ambiguous: { readonly counted: number; readonly doubled: number };
}

const GROUP_OF_DOUBLE = "strict";
const BATCH = { max_age_ms: 50 };

/**
 * Runs the built agent on growing, rotated files into all sinks at once, kills it at random points, and compares what
 * was written with what arrived. Nothing here goes through the code under test but `wiretail search`, `status` and
 * `/metrics`.
 */
export async function runDelivery(options: DeliveryRunOptions): Promise<DeliveryRunResult> {
  const double = await startCloudWatchDouble();
  try {
    return await new DeliveryRun(options, double).run();
  } finally {
    await double.stop();
  }
}

class DeliveryRun {
  readonly #options: DeliveryRunOptions;
  readonly #double: CloudWatchDouble;
  readonly #random: () => number;
  readonly #chat: LogWriter;
  readonly #web: LogWriter;
  readonly #app: LogWriter;
  readonly #copied: LogWriter;
  readonly #rotations = new Map<LogWriter, number>();
  readonly #unanswered = new Set<string>();
  #host = "";
  #agent!: AgentProcess;

  constructor(options: DeliveryRunOptions, double: CloudWatchDouble) {
    const logs = join(options.folder, "logs");
    this.#options = options;
    this.#double = double;
    this.#random = randomOf(options.seed);
    this.#chat = new LogWriter("chat", join(logs, "chat/connections.log"), chatLine);
    this.#web = new LogWriter("web", join(logs, "nginx/access.log"), webLine);
    this.#app = new LogWriter("app", join(logs, "app/app.log"), appLine);
    this.#copied = new LogWriter("copied", join(logs, "app/copied.log"), appLine);
  }

  get #writers(): readonly LogWriter[] {
    return [this.#chat, this.#web, this.#app, this.#copied];
  }

  async run(): Promise<DeliveryRunResult> {
    this.#host = await this.#writeHost();
    for (const writer of this.#writers) {
      await writer.write(20);
      writer.start(4, 20);
    }
    await this.#start();
    try {
      for (let kill = 0; kill < this.#options.kills; kill++) await this.#oneLife(kill);
      await this.#quietRotation();
      for (const writer of this.#writers) await writer.stop();
      await this.#settle();
      await this.#checkEquations();
      const ambiguous = await this.#cutConnection();
      await this.#settle();
      await this.#checkEquations();
      assert.equal(await this.#agent.stop(), 0, this.#agent.stderr);
      return { ...(await this.#collect()), ambiguous };
    } finally {
      for (const writer of this.#writers) await writer.stop();
      await this.#agent.kill9();
    }
  }

  #writeHost(): Promise<string> {
    const { folder, elasticsearchUrl, cloudwatchUrl, dataset } = this.#options;
    const cloudwatch = (endpoint: string, group: string, message: string) => ({
      ...{ type: "cloudwatch_logs", endpoint, region: "eu-west-1", log_group_name: group, log_stream_name: "all" },
      ...{ access_key_id: "AKIDEXAMPLE", secret_access_key: "secret", message, batch: BATCH },
    });
    const source = (...include: string[]) => ({ type: "file", include: include.map((path) => `${path}*`) });
    const to = ["es", ...(cloudwatchUrl === undefined ? [] : ["moto"]), "double", "here", "out"];
    return writeHost(folder, {
      http: { address: "127.0.0.1:0" },
      sources: {
        chat: source(this.#chat.path),
        web: source(this.#web.path),
        app: source(this.#app.path, this.#copied.path),
      },
      pipelines: {
        chat: { from: ["chat"], use: "connections-log", to },
        web: { from: ["web"], use: "nginx-access", to },
        app: { from: ["app"], to },
      },
      sinks: {
        es: { type: "elasticsearch", nodes: [elasticsearchUrl], data_stream: { dataset }, batch: BATCH },
        ...(cloudwatchUrl === undefined ? {} : { moto: cloudwatch(cloudwatchUrl, dataset, "original") }),
        double: cloudwatch(this.#double.url, GROUP_OF_DOUBLE, "json"),
        here: { type: "local", path: join(folder, "store"), segment: { max_bytes: 1_000_000 }, batch: BATCH },
        out: { type: "file", path: join(folder, "out/all.ndjson"), max_bytes: 500_000, gzip: true, batch: BATCH },
      },
    });
  }

  async #start(): Promise<void> {
    const { command } = this.#options;
    this.#agent = new AgentProcess(this.#host, command === undefined ? {} : { command });
    await this.#agent.started();
  }

  /** Until the next kill: perhaps a rotation, perhaps one while the agent is down. */
  async #oneLife(kill: number): Promise<void> {
    await sleep(this.#random() * 1_000);
    const turn = kill % 4;
    if (turn === 1) await this.#rotate(this.#chat, ["create", "compress", "delaycompress"]);
    if (turn === 2) await this.#rotate(this.#web, ["nocreate", "compress", "delaycompress"]);
    await sleep(this.#random() * 600);
    await this.#agent.kill9();
    // What the dead process sent last may still be on its way into the double.
    await sleep(100);
    // One call at a time: when a call was made, the one before had its answer.
    this.#noteLastCall();
    if (turn === 3) await this.#rotate(this.#app, ["nocreate"]);
    await this.#start();
  }

  /** Compression must not take a file away that was not read to its end: as delaycompress has it in real life. */
  async #rotate(writer: LogWriter, how: readonly string[]): Promise<void> {
    const before = this.#rotations.get(writer) ?? 0;
    if (before > 0 && how.includes("compress")) await this.#untilDelivered(`${writer.path}.1`);
    await rotate(writer, this.#options.folder, how);
    this.#rotations.set(writer, before + 1);
  }

  /** copytruncate loses what is written between copy and truncation: only while nobody writes and all is read. */
  async #quietRotation(): Promise<void> {
    await this.#copied.stop();
    await this.#untilDelivered(this.#copied.path);
    await rotate(this.#copied, this.#options.folder, ["copytruncate"]);
    this.#copied.start(4, 20);
    await sleep(500);
  }

  /** Measured against the file itself: what the agent says of its size may be a moment old. */
  async #untilDelivered(path: string): Promise<void> {
    await waitFor(
      `${path} is delivered`,
      async () => {
        const size = (await stat(path).catch(() => undefined))?.size;
        const inputs = (await this.#agent.status()).sources.flatMap((source) => source.inputs);
        return inputs.find((input) => input.name === path)?.delivered_bytes === size;
      },
      { everyMs: 100, explain: () => this.#agent.stderr },
    );
  }

  #noteLastCall(): void {
    const last = this.#double.calls.filter((call) => call.operation === "PutLogEvents").at(-1);
    const events = (last?.input["logEvents"] ?? []) as readonly { message: string }[];
    for (const token of tokensOf(events.map((event) => event.message))) this.#unanswered.add(token);
  }

  /** The double takes one call and cuts the connection: the agent must send its events again, and count them. */
  async #cutConnection(): Promise<{ counted: number; doubled: number }> {
    const countedBefore = await this.#metric("wiretail_cloudwatch_logs_ambiguous_events_total");
    const storedBefore = this.#stored().length;
    this.#double.script("PutLogEvents", "reset_after");
    const first = this.#app.count;
    await this.#app.write(50);
    await this.#settle();
    const again = this.#stored().slice(storedBefore);
    const doubled = again.length - (this.#app.count - first);
    for (const token of tally(again, again).doubled) this.#unanswered.add(token);
    return {
      counted: (await this.#metric("wiretail_cloudwatch_logs_ambiguous_events_total")) - countedBefore,
      doubled,
    };
  }

  async #metric(name: string): Promise<number> {
    const url = /http:\/\/127\.0\.0\.1:\d+\/metrics/.exec(this.#agent.stderr)?.[0];
    assert.ok(url !== undefined, this.#agent.stderr);
    const text = await (await fetch(url)).text();
    const value = new RegExp(`^${name}\\{[^}]*sink="double"[^}]*\\} (\\S+)$`, "m").exec(text)?.[1];
    return Number(value ?? 0);
  }

  #stored(): string[] {
    return tokensOf(this.#double.events(GROUP_OF_DOUBLE, "all").map((event) => event.message));
  }

  /** Waits until the agent says that everything written is delivered. */
  async #settle(): Promise<void> {
    for (const writer of this.#writers) await this.#untilDelivered(writer.path);
    let status: AgentStatus | undefined;
    await waitFor(
      "the agent has delivered everything",
      async () => {
        status = await this.#agent.status();
        const inputs = status.sources.flatMap((source) => source.inputs);
        return (
          inputs.every((input) => (input.lag_bytes ?? 0) === 0 && input.read_bytes === input.size_bytes) &&
          this.#writers.every((writer) => inputs.some((input) => input.name === writer.path)) &&
          status.sinks.every((sink) => sink.queued_events === 0)
        );
      },
      {
        withinMs: this.#options.withinMs ?? 30_000,
        everyMs: 100,
        explain: () => `${JSON.stringify(status?.sources)}\n${JSON.stringify(status?.sinks)}\n${this.#agent.stderr}`,
      },
    );
  }

  /** Promise 1, in the agent's own numbers: every event is somewhere. */
  async #checkEquations(): Promise<void> {
    const status = await this.#agent.status();
    for (const source of status.sources) {
      const into = status.pipelines.filter((pipeline) => pipeline.name === source.name);
      assert.equal(source.read_events, into[0]!.in_events, `read = into the pipeline: ${source.name}`);
      assert.deepEqual(source.dropped, {});
    }
    for (const pipeline of status.pipelines) {
      const left = pipeline.stages.reduce((sum, stage) => sum + stage.dropped_events + stage.dead_lettered_events, 0);
      assert.equal(pipeline.in_events, pipeline.skipped_events + left + pipeline.out_events, pipeline.name);
    }
    const out = status.pipelines.reduce((sum, pipeline) => sum + pipeline.out_events, 0);
    for (const sink of status.sinks) {
      const { routed_events, delivered_events, queued_events, dead_lettered_events } = sink;
      assert.equal(routed_events, delivered_events + queued_events + dead_lettered_events, sink.name);
      assert.ok(sink.from_pipelines_events <= out, `${sink.name}: what it had before a crash is not routed again`);
      assert.equal(dead_lettered_events, 0, sink.name);
    }
  }

  async #collect(): Promise<Omit<DeliveryRunResult, "ambiguous">> {
    const expected = this.#writers.flatMap((writer) => writer.tokens());
    const { folder, cloudwatchUrl, dataset } = this.#options;
    const search = await wiretail(["search", "-c", this.#host, "--json", "--limit", "0"]);
    assert.equal(search.code, 0, search.stderr);
    return {
      lines: expected.length,
      elasticsearch: tally(expected, await this.#inElasticsearch()),
      local: tally(expected, tokensOf(search.stdout.split("\n").filter(Boolean))),
      file: tally(expected, tokensOf(await linesIn(join(folder, "out")))),
      moto: cloudwatchUrl === undefined ? undefined : tally(expected, await inMoto(cloudwatchUrl, dataset)),
      double: tally(expected, this.#stored()),
      unanswered: this.#unanswered,
    };
  }

  async #inElasticsearch(): Promise<string[]> {
    const probe = new ElasticsearchProbe(this.#options.elasticsearchUrl);
    const stream = `logs-${this.#options.dataset}-default`;
    await probe.request("POST", `/${stream}/_refresh`);
    interface Page {
      _scroll_id: string;
      hits: { hits: { _source: unknown }[] };
    }
    const found: string[] = [];
    let page = await probe.request<Page>("POST", `/${stream}/_search?scroll=1m`, { size: 5_000, sort: ["_doc"] });
    while (page.hits.hits.length > 0) {
      found.push(...tokensOf(page.hits.hits.map((hit) => JSON.stringify(hit._source))));
      page = await probe.request<Page>("POST", "/_search/scroll", { scroll: "1m", scroll_id: page._scroll_id });
    }
    return found;
  }
}

/** Lines of all files of a folder, unpacked. */
async function linesIn(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const name of await readdir(folder)) {
    if (name.endsWith(".wiretail")) continue;
    const bytes = await readFile(join(folder, name));
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    lines.push(...text.split("\n").filter(Boolean));
  }
  return lines;
}

async function inMoto(endpoint: string, group: string): Promise<string[]> {
  const { CloudWatchLogsClient, paginateFilterLogEvents } = await import("@aws-sdk/client-cloudwatch-logs");
  const credentials = { accessKeyId: "a", secretAccessKey: "b" };
  const client = new CloudWatchLogsClient({ endpoint, region: "eu-west-1", credentials });
  const found: string[] = [];
  try {
    for await (const page of paginateFilterLogEvents({ client }, { logGroupName: group })) {
      found.push(...tokensOf((page.events ?? []).map((event) => event.message ?? "")));
    }
  } finally {
    client.destroy();
  }
  return found;
}
