// The built agent, killed with calls on their way, and a data stream that rolls over before the agent is back.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { errorMessage } from "../../../src/core/error.ts";
import { FaultProxy } from "../../support/doubles/fault-proxy.ts";
import { AgentProcess, assertExactlyOnce, NumberedWriter, numbersOf, waitFor, writeHost } from "../../support/e2e.ts";
import { temporaryFolder } from "../../support/folders.ts";
import type { CodeChange } from "../../support/installed-copy.ts";
import { buildMutant } from "../../support/mutant.ts";
import { ElasticsearchProbe } from "../../support/servers/elasticsearch-client.ts";
import {
  ELASTICSEARCH_VERSIONS,
  startElasticsearch,
  type ElasticsearchServer,
} from "../../support/servers/elasticsearch.ts";

const NO_LOOK_UP: CodeChange = {
  file: "src/sinks/elasticsearch/rollover.js",
  from: "if (ids.length === 0)",
  to: "if (ids.length >= 0)",
};
const NO_MARK: CodeChange = {
  file: "src/runtime/sent-mark.js",
  from: "this.inherited = mark ?? 0;",
  to: "this.inherited = 0;",
};
const NO_WAIT: CodeChange = {
  file: "src/sinks/elasticsearch/lost-bulks.js",
  from: "if (running.length === 0)",
  to: "if (running.length >= 0)",
};

/** Elasticsearch, a proxy before it, and an agent that tails one file into a data stream of its own. */
class Scene {
  readonly writer: NumberedWriter;
  readonly stream: string;
  readonly probe: ElasticsearchProbe;
  readonly proxy: FaultProxy;
  /** Paths of all that was forwarded to the server. */
  readonly calls: string[] = [];
  /** What happened when. */
  readonly story: string[] = [];
  agent: AgentProcess | undefined;
  readonly #folder: string;
  readonly #dataset: string;
  readonly #command: readonly string[] | undefined;
  #host = "";

  constructor(folder: string, url: string, dataset: string, command: readonly string[] | undefined) {
    this.#folder = folder;
    this.#dataset = dataset;
    this.#command = command;
    this.stream = `logs-${dataset}-default`;
    this.writer = new NumberedWriter(join(folder, "logs/app.log"));
    this.probe = new ElasticsearchProbe(url);
    this.proxy = new FaultProxy({
      ...{ target: url, random: Math.random },
      replyHeaders: { "x-elastic-product": "Elasticsearch", "content-type": "application/json" },
      errorBody: (status, type) => JSON.stringify({ error: { type, reason: "by the proxy" }, status }),
      onCall: ({ path, headers }) => {
        this.calls.push(path);
        this.tell(`${path.split("?")[0]} ${String(headers["x-opaque-id"])}`);
      },
    });
  }

  tell(what: string): void {
    this.story.push(`${Math.round(performance.now())} ${what}`);
  }

  async open(): Promise<void> {
    await this.proxy.start();
    const es = { type: "elasticsearch", nodes: [this.proxy.url], data_stream: { dataset: this.#dataset } };
    this.#host = await writeHost(this.#folder, {
      sources: { app: { type: "file", include: [this.writer.path] } },
      pipelines: { app: { from: ["app"], to: ["es"] } },
      sinks: { es: { ...es, batch: { max_age_ms: 50 } } },
    });
  }

  async close(): Promise<void> {
    await this.writer.stop();
    await this.agent?.kill9();
    await this.proxy.stop();
  }

  async start(): Promise<void> {
    this.agent = new AgentProcess(this.#host, this.#command === undefined ? {} : { command: this.#command });
    await this.agent.started();
    this.tell("started");
  }

  async kill(): Promise<void> {
    await this.agent!.kill9();
    this.tell("killed");
    this.story.push(this.agent!.stderr);
  }

  rollover(): Promise<unknown> {
    this.tell("rollover");
    return this.probe.request("POST", `/${this.stream}/_rollover`);
  }

  /** Sets something of the backing index that is written to now, whenever the returned function is called. */
  async setter(settings: Readonly<Record<string, unknown>>): Promise<() => Promise<unknown>> {
    const { data_streams } = await this.probe.request<{ data_streams: { backing_indices: string | string[] }[] }>(
      "GET",
      `/_resolve/index/${this.stream}`,
    );
    const index = [data_streams[0]!.backing_indices].flat().at(-1)!;
    return () => this.probe.request("PUT", `/${index}/_settings`, settings);
  }

  /** Numbers of the lines that are there, over all backing indices. */
  async numbers(): Promise<number[]> {
    return (await this.probe.messages(this.stream)).flatMap(numbersOf);
  }

  /** Waits until so many different lines are there. */
  async there(count: number): Promise<void> {
    // Just after a rollover a search may fail: the new index is on its way.
    const distinct = async (): Promise<number> => new Set(await this.numbers().catch(() => [])).size;
    await waitFor(`${count} lines`, async () => (await distinct()) >= count, {
      ...{ withinMs: 60_000, everyMs: 100, explain: () => this.agent?.stderr.slice(-3000) ?? "" },
    });
  }

  /** Waits until the agent has delivered all that was written, and throws unless each line is there exactly once. */
  async exactlyOnce(): Promise<void> {
    await this.there(this.writer.count);
    await waitFor("an empty queue", async () => (await this.agent!.status()).sinks[0]!.queued_events === 0);
    try {
      assertExactlyOnce(await this.numbers(), this.writer.count);
    } catch (error) {
      const where = (await this.#ranges()).join("\n");
      throw new Error(`${errorMessage(error)}\n${where}\n${this.story.join("\n")}`, { cause: error });
    }
  }

  /** Which lines are in which backing index, for whoever has to find out why. */
  async #ranges(): Promise<string[]> {
    const byIndex = new Map<string, number[]>();
    for (const { _index, _source } of await this.probe.documents(this.stream))
      byIndex.set(_index, [...(byIndex.get(_index) ?? []), ...numbersOf(String(_source["message"]))]);
    return [...byIndex].sort().map(([index, numbers]) => {
      const sorted = numbers.sort((a, b) => a - b);
      const starts = sorted.filter((number, i) => sorted[i - 1] !== number - 1);
      const ends = sorted.filter((number, i) => sorted[i + 1] !== number + 1);
      return `${index}: ${starts.map((start, i) => `${start}-${ends[i]}`).join(" ")}`;
    });
  }
}

/** Calls reach the server, their answers do not reach the agent; it is killed, and the stream rolls over. */
async function answersLost(scene: Scene): Promise<void> {
  await scene.writer.write(100);
  await scene.start();
  await scene.there(100);
  scene.proxy.fault = { kind: "late", delayMs: 10_000 };
  await scene.writer.write(200);
  await scene.there(300);
  await scene.kill();
  await scene.rollover();
  scene.proxy.clear();
  await scene.writer.write(100);
  await scene.start();
  await scene.exactlyOnce();
}

/** The server works on a call when the agent is killed, and still when the stream has rolled over and the agent is back. */
async function bulkOutlivesAgent(scene: Scene): Promise<void> {
  await scene.writer.write(100);
  await scene.start();
  await scene.there(100);
  // With one node there is no replica: calls wait for one, until none is wanted any more.
  await (
    await scene.setter({ "index.number_of_replicas": 1, "index.write.wait_for_active_shards": "all" })
  )();
  const release = await scene.setter({ "index.number_of_replicas": 0 });
  const working = async (): Promise<boolean> =>
    JSON.stringify(await scene.probe.request("GET", "/_tasks?actions=*bulk*&detailed")).includes("wiretail/es/");
  try {
    await scene.writer.write(200);
    await waitFor("a bulk that the server works on", working);
    await scene.kill();
    await scene.rollover();
    scene.calls.length = 0;
    await scene.start();
    const looked = (): boolean => scene.calls.some((path) => path.startsWith("/_tasks"));
    await waitFor("a look at the tasks", () => looked() || scene.calls.some((path) => path.includes("_bulk")));
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(await working(), "the server still works on it");
  } finally {
    await release();
  }
  await scene.exactlyOnce();
}

for (const version of ELASTICSEARCH_VERSIONS) {
  describe(`an agent killed while it writes to Elasticsearch ${version}`, { timeout: 400_000 }, () => {
    let server: ElasticsearchServer;
    let unique = 0;
    before(async () => {
      server = await startElasticsearch({ version });
    });
    after(() => server.stop());

    const play = async (
      t: TestContext,
      act: (scene: Scene) => Promise<void>,
      changes?: readonly CodeChange[],
    ): Promise<void> => {
      const dataset = `crash${Date.now().toString(36)}${unique++}`;
      const command = changes === undefined ? undefined : [process.execPath, await buildMutant(t, changes)];
      const scene = new Scene(await temporaryFolder(t), server.url, dataset, command);
      try {
        await scene.open();
        await act(scene);
      } finally {
        await scene.close();
      }
    };
    const finds = (act: (scene: Scene) => Promise<void>, changes: readonly CodeChange[]) => async (t: TestContext) =>
      assert.rejects(play(t, act, changes), /[1-9]\d* doubled of/);

    test("calls whose answers were lost, then a rollover: every line is there exactly once", (t) =>
      play(t, answersLost));

    test("a call that the server works on longer than the agent lives, over a rollover: exactly once", (t) =>
      play(t, bulkOutlivesAgent));

    test("rollovers, kills, lost answers and a read-only index at any moment: exactly once", (t) =>
      play(t, async (scene) => {
        await scene.writer.write(50);
        scene.writer.start(5, 10);
        await scene.start();
        await scene.there(50);
        for (let round = 0; round < 4; round++) {
          if (round % 2 === 0) scene.proxy.fault = { kind: "late", delayMs: 3_000, share: 0.5 };
          else scene.proxy.fault = { kind: "reset_reply", share: 0.5 };
          await new Promise((resolve) => setTimeout(resolve, 400 + 150 * round));
          const release = await scene.setter({ "index.blocks.write": null });
          if (round === 1) await (await scene.setter({ "index.blocks.write": true }))();
          if (round !== 2) await scene.rollover();
          await scene.kill();
          await scene.proxy.idle();
          if (round !== 0) await scene.rollover();
          scene.proxy.clear();
          await scene.start();
          await new Promise((resolve) => setTimeout(resolve, 300));
          await release();
        }
        await scene.writer.stop();
        await scene.exactlyOnce();
      }));

    // Those tests must be able to fail: the same with agents that are broken on purpose. Once is enough.
    if (version !== ELASTICSEARCH_VERSIONS[0]) return;
    test("an agent is found out that looks nothing up", finds(answersLost, [NO_LOOK_UP]));
    test("an agent is found out that forgets in a crash what it may have sent", finds(answersLost, [NO_MARK]));
    test("an agent is found out that does not wait for calls from before", finds(bulkOutlivesAgent, [NO_WAIT]));
  });
}
