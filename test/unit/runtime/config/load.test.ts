import assert from "node:assert/strict";
import { basename } from "node:path";
import { test } from "node:test";
import { loadConfig, type LoadedConfig } from "../../../../src/runtime/config/load.ts";
import { formatProblem } from "../../../../src/runtime/config/problems.ts";
import { redactConfig } from "../../../../src/runtime/config/redact.ts";
import { cloudwatchLogs } from "../../../../src/sinks/cloudwatch_logs/index.ts";
import { elasticsearch } from "../../../../src/sinks/elasticsearch/index.ts";
import { stdout } from "../../../../src/sinks/stdout/index.ts";
import { route } from "../../../../src/stages/route/index.ts";
import { split } from "../../../../src/stages/split/index.ts";
import { components } from "./fake-components.ts";

type Files = Record<string, string | object>;

/** Loads /etc/wt/host.json out of files in memory. */
async function load(files: Files, env: Record<string, string> = {}, lists = components): Promise<LoadedConfig> {
  const texts = new Map(
    Object.entries(files).map(([path, content]) => [
      path,
      typeof content === "string" ? content : JSON.stringify(content),
    ]),
  );
  return loadConfig("/etc/wt/host.json", {
    components: lists,
    env,
    shippedFolder: "/shipped",
    readFile(path) {
      const text = texts.get(path);
      if (text === undefined)
        throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: "ENOENT" });
      return text;
    },
    readDir(path) {
      const names = [...texts.keys()].filter((each) => each.startsWith(path + "/")).map((each) => basename(each));
      if (names.length === 0) throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
      return names;
    },
  });
}

const messages = ({ problems }: LoadedConfig): string[] => problems.map(formatProblem);

const whole = {
  sources: { app: { type: "tail", include: ["/var/log/app/*.log"] } },
  pipelines: {
    app: {
      from: ["app"],
      stages: [{ label: { field: "a.b", value: "x", when: "a: 1", on_error: "drop" } }],
      to: ["es"],
    },
  },
  sinks: { es: { type: "server", endpoint: "https://es:9200", api_key: { $env: "ES_KEY" }, batch: { max_events: 5 } } },
};

test("a host file with comments and trailing commas loads with every default filled in", async () => {
  const text = `// our host
  { "sources": { "app": { "type": "tail", "include": ["logs/*.log",], }, }, /* one pipeline */
    "pipelines": { "app": { "from": ["app"], "to": ["d"], }, },
    "sinks": { "d": { "type": "disk", "path": "out.ndjson" } }, }`;
  const { config, problems } = await load({ "/etc/wt/host.json": text });
  assert.deepEqual(problems, []);
  assert.ok(config);
  assert.equal(config.stateDir, "/var/lib/wiretail");
  assert.equal(config.memoryBudgetBytes, 64 * 1024 * 1024);
  assert.deepEqual(config.log, { format: "text", level: "info" });
  assert.equal(config.http, undefined);
  assert.deepEqual(config.sources[0]?.options, {
    include: ["/etc/wt/logs/*.log"],
    exclude: [],
    start_at: "beginning",
    max_line_bytes: 1_048_576,
  });
  assert.deepEqual(config.sinks[0]?.options, { path: "/etc/wt/out.ndjson" });
  assert.deepEqual(config.sinks[0]?.batch, {});
});

test("a stage keeps its condition and its on_error apart from its own options", async () => {
  const { config, problems } = await load({ "/etc/wt/host.json": whole }, { ES_KEY: "sesame" });
  assert.deepEqual(problems, []);
  const stage = config?.pipelines[0]?.stages[0];
  assert.deepEqual(stage?.options, { field: "a.b", value: "x" });
  assert.equal(stage?.when, "a: 1");
  assert.equal(stage?.onError, "drop");
  assert.equal(stage?.baseDir, "/etc/wt");
  assert.deepEqual(config?.sinks[0]?.batch, { maxEvents: 5 });
});

test("a secret is resolved from the environment or a file, and redactConfig never shows it", async () => {
  const sinks = {
    es: {
      type: "server",
      endpoint: "https://es:9200",
      api_key: { $env: "ES_KEY" },
      headers: { cookie: { $file: "cookie.txt" } },
    },
  };
  const { config, problems } = await load(
    { "/etc/wt/host.json": { ...whole, sinks }, "/etc/wt/cookie.txt": "c00kie\n" },
    { ES_KEY: "sesame" },
  );
  assert.deepEqual(problems, []);
  const options = config?.sinks[0]?.options as { api_key: string; headers: { cookie: string } };
  assert.equal(options.api_key, "sesame");
  assert.equal(options.headers.cookie, "c00kie");
  const printed = JSON.stringify(redactConfig(config!));
  assert.doesNotMatch(printed, /sesame|c00kie/);
  assert.match(printed, /"api_key":"\*\*\*"/);
  assert.equal(options.api_key, "sesame", "redaction works on a copy");
});

test("a secret in plain text is a warning that does not repeat it", async () => {
  const sinks = { es: { type: "server", endpoint: "https://es:9200", api_key: "sesame" } };
  const loaded = await load({ "/etc/wt/host.json": { ...whole, sinks } });
  assert.ok(loaded.config);
  assert.equal(loaded.problems[0]?.severity, "warning");
  assert.match(messages(loaded)[0]!, /\/sinks\/es\/api_key: warning: a secret in plain text/);
  assert.doesNotMatch(messages(loaded).join(), /sesame/);
});

test("a component's own message does not give a secret away", async () => {
  const sinks = { es: { type: "server", endpoint: { $env: "ES_URL" } } };
  const loaded = await load({ "/etc/wt/host.json": { ...whole, sinks } }, { ES_URL: "user:sesame@es" });
  assert.match(messages(loaded).join(), /found "\*\*\*", expected a URL/);
});

test("a missing secret is an error where it is asked for, with the nearest variable that is set", async () => {
  const loaded = await load({ "/etc/wt/host.json": JSON.stringify(whole, null, 1) }, { ES_KEYS: "x" });
  assert.equal(loaded.config, undefined);
  assert.match(
    messages(loaded)[0]!,
    /^\/etc\/wt\/host\.json:\d+:\d+ \/sinks\/es\/api_key\/\$env: the environment variable ES_KEY is not set; did you mean "ES_KEYS"\?/,
  );
});

test("files in conf.d are merged by name, and a name defined twice names both places", async () => {
  const { sinks, ...rest } = whole;
  const merged = await load(
    { "/etc/wt/host.json": rest, "/etc/wt/conf.d/sinks.json": { sinks, log: { level: "debug" } } },
    { ES_KEY: "k" },
  );
  assert.deepEqual(merged.problems, []);
  assert.equal(merged.config?.log.level, "debug");
  const twice = await load(
    {
      "/etc/wt/host.json": whole,
      "/etc/wt/conf.d/b.json": { sinks, state_dir: "/a" },
      "/etc/wt/conf.d/c.json": { state_dir: "/b" },
    },
    { ES_KEY: "k" },
  );
  const column = (JSON.stringify(whole).indexOf('"es":{') + 1).toString();
  const other = (JSON.stringify({ sinks, state_dir: "/a" }).indexOf('"state_dir"') + 1).toString();
  assert.deepEqual(messages(twice), [
    `/etc/wt/conf.d/b.json:1:11 /sinks/es: "es" is already defined at /etc/wt/host.json:1:${column}`,
    `/etc/wt/conf.d/c.json:1:2 /state_dir: "state_dir" has another value at /etc/wt/conf.d/b.json:1:${other}`,
  ]);
});

test("options inside anyOf get their defaults too", async () => {
  const pipelines = { app: { from: ["app"], to: ["es"], stages: [{ label: { field: "a", value: { copy: "b" } } }] } };
  const { config } = await load({ "/etc/wt/host.json": { ...whole, pipelines } }, { ES_KEY: "k" });
  assert.deepEqual(config?.pipelines[0]?.stages[0]?.options, { field: "a", value: { copy: "b", trim: true } });
});

test("a pipeline may use a file, which may use a shipped pipeline; paths start at the file that says them", async () => {
  const pipelines = { app: { from: ["app"], to: ["es"], use: "pipes/mine.json" } };
  const { config, problems } = await load(
    {
      "/etc/wt/host.json": { ...whole, pipelines },
      "/etc/wt/pipes/mine.json": { name: "mine", stages: [{ use: "base" }, { label: { field: "b", value: 1 } }] },
      "/shipped/base.json": { name: "base", stages: [{ label: { field: "a", value: 1 } }] },
    },
    { ES_KEY: "k" },
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    config?.pipelines[0]?.stages.map((stage) => [(stage.options as { field: string }).field, stage.baseDir]),
    [
      ["a", "/shipped"],
      ["b", "/etc/wt/pipes"],
    ],
  );
});

test("a pipeline file that uses itself, also through another, is an error and not a hang", async () => {
  const pipelines = { app: { from: ["app"], to: ["es"], use: "./a.json" } };
  const loaded = await load(
    {
      "/etc/wt/host.json": { ...whole, pipelines },
      "/etc/wt/a.json": { name: "a", stages: [{ use: "./b.json" }] },
      "/etc/wt/b.json": { name: "b", stages: [{ use: "./a.json" }] },
    },
    { ES_KEY: "k" },
  );
  assert.deepEqual(messages(loaded), [
    "/etc/wt/b.json:1:30 /stages/0/use: this goes in a circle: /etc/wt/a.json uses /etc/wt/b.json uses /etc/wt/a.json",
  ]);
});

test("a sink that writes what its own source reads is an error", async () => {
  const sinks = { d: { type: "disk", path: "/var/log/app/out.log" } };
  const loaded = await load({
    "/etc/wt/host.json": { ...whole, sinks, pipelines: { app: { from: ["app"], to: ["d"] } } },
  });
  assert.match(
    messages(loaded).join(),
    /a circle: the source "app" reads \/var\/log\/app\/\*\.log, where the sink "d"/,
  );
});

test("an exclude without a slash goes for names anywhere, and takes a file out of a circle", async () => {
  const sinks = { d: { type: "disk", path: "/var/log/app/out.log" } };
  const source = (exclude: string[]): object => ({
    sources: { app: { ...whole.sources.app, exclude } },
    ...{ sinks, pipelines: { app: { from: ["app"], to: ["d"] } } },
  });
  const { config, problems } = await load({ "/etc/wt/host.json": source(["out.*", "old/*.log"]) });
  assert.deepEqual(problems, []);
  assert.deepEqual((config?.sources[0]?.options as { exclude: string[] }).exclude, ["out.*", "/etc/wt/old/*.log"]);
  assert.match(messages(await load({ "/etc/wt/host.json": source(["*.gz"]) })).join(), /a circle/);
});

test("metrics are served to this host only, unless that is lifted in so many words", async () => {
  const at = (http: object): Promise<LoadedConfig> =>
    load({ "/etc/wt/host.json": { ...whole, http } }, { ES_KEY: "k" });
  assert.deepEqual((await at({})).config?.http, { host: "127.0.0.1", port: 9600 });
  assert.deepEqual((await at({ address: "[::1]:1" })).config?.http, { host: "::1", port: 1 });
  assert.match(messages(await at({ address: "0.0.0.0:9600" })).join(), /expected an address of this host only/);
  assert.match(
    messages(await at({ address: "127.evil.example:9600" })).join(),
    /expected an address of this host only/,
  );
  assert.match(messages(await at({ address: "9600" })).join(), /expected address:port/);
  assert.deepEqual((await at({ address: "0.0.0.0:9600", allow_remote: true })).config?.http, {
    host: "0.0.0.0",
    port: 9600,
  });
});

test("a fingerprint changes with options and with a secret's value, and not with order or comments", async () => {
  const of = async (text: string | object, key: string): Promise<string | undefined> =>
    (await load({ "/etc/wt/host.json": text }, { ES_KEY: key })).config?.sinks[0]?.fingerprint;
  const first = await of(whole, "one");
  assert.equal(
    await of(
      `/* x */ ${JSON.stringify({ ...whole, sinks: { es: Object.fromEntries(Object.entries(whole.sinks.es).reverse()) } })}`,
      "one",
    ),
    first,
  );
  assert.notEqual(await of(whole, "two"), first);
  assert.notEqual(await of({ ...whole, sinks: { es: { ...whole.sinks.es, gzip: false } } }, "one"), first);
});

test("a sink's identity hangs on what is marked as such, not on its name or other options", async () => {
  const identity = async (name: string, more: object): Promise<string | undefined> => {
    const pipelines = { app: { from: ["app"], to: [name] } };
    return (
      await load(
        { "/etc/wt/host.json": { ...whole, pipelines, sinks: { [name]: { ...whole.sinks.es, ...more } } } },
        { ES_KEY: "k" },
      )
    ).config?.sinks[0]?.identity;
  };
  const first = await identity("es", {});
  assert.equal(first?.length, 16);
  assert.equal(await identity("other", { gzip: false }), first);
  assert.equal(await identity("es", { index: "logs-{date}" }), first, "a default said aloud is the same");
  assert.notEqual(await identity("es", { index: "x" }), first);
});

test("two sinks with one identity are an error: they would share a checkpoint", async () => {
  const sinks = { es: whole.sinks.es, copy: { ...whole.sinks.es, gzip: false } };
  const loaded = await load({ "/etc/wt/host.json": { ...whole, sinks } }, { ES_KEY: "k" });
  assert.match(messages(loaded).join("\n"), /"copy" writes to the same destination as "es"/);
});

test("a file that cannot be read is one problem, not a crash", async () => {
  assert.deepEqual(messages(await load({})), [
    "/etc/wt/host.json:1:1: cannot read /etc/wt/host.json: there is no such file",
  ]);
});

test("a pipeline that would number the events made of one event twice is refused, also through files", async () => {
  const lists = { ...components, stages: [...components.stages, split] };
  const stages = [{ split: { delimiter: "," } }, { use: "base" }];
  const loaded = await load(
    {
      "/etc/wt/host.json": { ...whole, pipelines: { app: { from: ["app"], to: ["es"], stages } } },
      "/shipped/base.json": { name: "base", stages: [{ split: { delimiter: ";" } }] },
    },
    { ES_KEY: "k" },
    lists,
  );
  assert.equal(messages(loaded).length, 1);
  assert.match(messages(loaded)[0]!, /stages\/1.*split makes several events of one, as split before it does/);
});

test("a stage can only route to sinks that its pipeline names", async () => {
  const lists = { ...components, stages: [...components.stages, route] };
  const stages = [{ route: { rules: [{ when: "a: 1", to: ["es", "ess"] }], otherwise: ["es"] } }];
  const pipelines = { app: { from: ["app"], to: ["es"], stages } };
  const loaded = await load({ "/etc/wt/host.json": { ...whole, pipelines } }, { ES_KEY: "k" }, lists);
  assert.equal(messages(loaded).length, 1);
  assert.match(
    messages(loaded)[0]!,
    /stages\/0.*rules\/0\/to\/1: the pipeline "app" has no sink "ess" in its "to"; did you mean "es"\?/,
  );
});

test("places in sinks that a stage names are checked: by the sink, which may have its own place only, and how many there are", async () => {
  const lists = {
    ...components,
    stages: [...components.stages, route],
    sinks: [elasticsearch, cloudwatchLogs, stdout],
  };
  const loadWith = async (to: readonly unknown[], more: readonly unknown[] = []): Promise<string[]> => {
    const rules = [{ when: "a: 1", to }, ...more.map((each) => ({ when: "a: 2", to: [each] }))];
    const host = {
      ...whole,
      sinks: {
        es: { type: "elasticsearch", nodes: ["http://es:9200"] },
        cw: { type: "cloudwatch_logs", log_group_name: "g" },
        out: { type: "stdout" },
      },
      pipelines: { app: { from: ["app"], to: ["es", "cw", "out"], stages: [{ route: { rules } }] } },
    };
    return messages(await load({ "/etc/wt/host.json": host }, {}, lists)).map((text) => text.replace(/^\S+ /, ""));
  };
  const right = [
    { sink: "es", index: "audit-{date:%Y.%m}" },
    { sink: "cw", log_group_name: "/audit", log_stream_name: "{hostname}" },
    "out",
  ];
  assert.deepEqual(await loadWith(right), []);
  assert.deepEqual(await loadWith([{ sink: "es", data_stream: { dataset: "nginx.error" } }]), []);
  for (const [wrong, pattern] of [
    [{ sink: "ess", index: "a" }, /\/rules\/0\/to\/0: .*no sink "ess".*did you mean "es"/],
    [{ sink: "es", index: "Audit" }, /\/to\/0\/index: index names are lower case/],
    [{ sink: "es", index: "a-{dat}" }, /\/to\/0\/index: unknown placeholder/],
    [{ sink: "es", index: "a", data_stream: {} }, /\/to\/0\/index: stands beside `data_stream`/],
    [{ sink: "es", data_stream: { dataset: "a-b" } }, /data_stream\/dataset: "a-b" cannot be part/],
    [{ sink: "es", log_group_name: "g" }, /log_group_name: this sink is of type elasticsearch/],
    [{ sink: "cw", log_group_name: "a b" }, /log_group_name: a log group name cannot have " "/],
    [{ sink: "cw", index: "a" }, /index: this sink is of type cloudwatch_logs/],
    [{ sink: "out", index: "a" }, /the sink "out" \(stdout\) has one place only/],
  ] as const) {
    const found = await loadWith([wrong]);
    assert.equal(found.length, 1, JSON.stringify(found));
    assert.match(found[0]!, pattern);
  }
  assert.match((await loadWith(["es", { sink: "es", index: "a" }]))[0]!, /names "es" again/);
  const many = Array.from({ length: 100 }, (_, i) => ({ sink: "es", index: `i${i}` }));
  assert.deepEqual(await loadWith(["es"], many), []);
  assert.match(
    (await loadWith([{ sink: "es", index: "one-more" }], many))[0]!,
    /more than 100 places in the sink "es"/,
  );
});

test("a condition beside a use goes for each stage of the file, with those that they have; one that is no KQL is an error", async () => {
  const used = {
    name: "a",
    stages: [{ label: { field: "a", value: 1, when: "b: 2" } }, { label: { field: "a", value: 2 } }],
  };
  const of = (when: unknown): ReturnType<typeof load> =>
    load(
      {
        "/etc/wt/host.json": {
          ...whole,
          pipelines: { app: { from: ["app"], to: ["es"], stages: [{ use: "./a.json", when }] } },
        },
        "/etc/wt/a.json": used,
      },
      { ES_KEY: "k" },
    );
  const { config } = await of("a: 1");
  assert.deepEqual(
    config!.pipelines[0]!.stages.map(({ when }) => when),
    ["(a: 1) and (b: 2)", "a: 1"],
  );
  assert.match(messages(await of("a: ("))[0]!, /^\/etc\/wt\/host\.json:\d+:\d+ \/pipelines\/app\/stages\/0\/when: /);
});
