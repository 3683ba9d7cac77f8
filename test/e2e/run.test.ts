import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import {
  AgentProcess,
  assertExactlyOnce,
  logrotate,
  numberedLine,
  numbersIn,
  NumberedWriter,
  numbersOf,
  startAgent,
  touch,
  waitFor,
  wiretail,
  WIRETAIL,
  writeHost,
} from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

const QUICK = { max_age_ms: 20 };

test("run --once ships standard input to standard output and a file, and ends with 0", async (t) => {
  const folder = await temporaryFolder(t);
  const host = await writeHost(folder, {
    sources: { in: { type: "stdin" } },
    pipelines: { all: { from: ["in"], to: ["out", "file"] } },
    sinks: {
      out: { type: "stdout", format: "json" },
      file: { type: "file", path: join(folder, "out.log"), format: "original" },
    },
  });
  const lines = Array.from({ length: 5000 }, (_, i) => numberedLine(i));
  const { code, stdout, stderr } = await wiretail(["run", "-c", host, "--once"], { input: lines.join("\n") + "\n" });
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { message: string }).message),
    lines,
  );
  assert.equal(await readFile(join(folder, "out.log"), "utf8"), lines.join("\n") + "\n");
  assert.ok(!(stdout + stderr).includes("\u001b"), "NO_COLOR leaves no colours");
});

test("run --once ends with 1 when an event went to the dead letters, and the letter says why", async (t) => {
  const folder = await temporaryFolder(t);
  const host = await writeHost(folder, {
    sources: { in: { type: "stdin" } },
    pipelines: { all: { from: ["in"], to: ["out"], stages: [{ parse_json: { on_error: "dead_letter" } }] } },
    sinks: { out: { type: "stdout", format: "json" } },
  });
  const { code, stdout } = await wiretail(["run", "-c", host, "--once"], { input: '{"a":1}\nnot json\n{"a":2}\n' });
  assert.equal(code, 1);
  assert.equal(stdout.trim().split("\n").length, 2);
  const letters = (await readFile(join(folder, "state/dead-letters/dead-letters.ndjson"), "utf8")).trim().split("\n");
  assert.equal(letters.length, 1);
  const letter = JSON.parse(letters[0]!) as Record<string, unknown>;
  assert.equal(letter["original"], "not json");
  assert.match(String(letter["reason"]), /^parse_json: /);
});

test("every error of a configuration is printed at once with its place, and nothing is started", async (t) => {
  const folder = await temporaryFolder(t);
  const host = await writeHost(folder, {
    sources: { in: { type: "stdim" } },
    pipelines: { all: { from: ["in"], to: ["oot"] } },
    sinks: { out: { type: "stdout", fromat: "json" } },
  });
  const { code, stdout, stderr } = await wiretail(["run", "-c", host, "--once"], { input: "x\n" });
  assert.equal(code, 1);
  assert.equal(stdout, "");
  for (const part of [/host\.json:\d+:\d+ \/sources\/in.*stdin/, /\/pipelines\/all\/to.*out/, /\/sinks\/out.*format/]) {
    assert.match(stderr, part);
  }
});

test("a reader that has enough ends the agent without an error", async (t) => {
  const folder = await temporaryFolder(t);
  const host = await writeHost(folder, {
    sources: { in: { type: "stdin" } },
    pipelines: { all: { from: ["in"], to: ["out"] } },
    sinks: { out: { type: "stdout", format: "json" } },
  });
  const script = `i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done | "$0" "$1" run -c "$2" --once | head -n 1; exit \${PIPESTATUS[1]}`;
  const child = spawn("bash", ["-c", script, process.execPath, WIRETAIL, host], { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdout.resume();
  const code = await new Promise((done) => child.once("close", done));
  assert.equal(code, 0, stderr);
});

test("SIGTERM delivers what was read and ends with 0", async (t) => {
  const folder = await temporaryFolder(t);
  const writer = new NumberedWriter(join(folder, "in/app.log"));
  await writer.write(3000);
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [join(folder, "in/*.log")] } },
    pipelines: { all: { from: ["app"], to: ["out"] } },
    // An hour's patience: after the first lines only the end makes it write.
    sinks: { out: { type: "file", path: join(folder, "out/all.ndjson"), batch: { max_age_ms: 3_600_000 } } },
  });
  const agent = await startAgent(host);
  try {
    await waitFor("the first are delivered", async () => (await agent.status()).sinks[0]!.delivered_events === 3000);
    await writer.write(500);
    await waitFor("all is read", async () => (await agent.status()).sources[0]!.read_events === 3500);
    assert.equal((await agent.status()).sinks[0]!.delivered_events, 3000);
    assert.equal(await agent.stop(), 0);
  } finally {
    await agent.kill9();
  }
  assertExactlyOnce(await numbersIn(join(folder, "out/all.ndjson")), 3500);
});

test("SIGHUP while the agent starts is followed once it runs", async (t) => {
  const folder = await temporaryFolder(t);
  const host = await writeHost(folder, {
    sources: { a: { type: "file", include: [join(folder, "a.log")] } },
    pipelines: { a: { from: ["a"], to: ["a"] } },
    sinks: { a: { type: "file", path: join(folder, "a.ndjson") } },
  });
  const agent = new AgentProcess(host);
  try {
    await waitFor("the start to begin", () => existsSync(join(folder, "state/lock")) || agent.isEnded);
    await agent.reload();
  } finally {
    await agent.terminate();
  }
});

test("SIGHUP takes up a new pipeline while lines are written, and no line is lost or doubled", async (t) => {
  const folder = await temporaryFolder(t);
  const writers = [new NumberedWriter(join(folder, "in/a.log")), new NumberedWriter(join(folder, "in/b.log"))];
  const source = (name: string) => ({ type: "file", include: [join(folder, `in/${name}.log`)] });
  const sink = (name: string) => ({ type: "file", path: join(folder, `out/${name}.ndjson`), batch: QUICK });
  const one = {
    sources: { a: source("a") },
    pipelines: { a: { from: ["a"], to: ["a"] } },
    sinks: { a: sink("a") },
  };
  const two = {
    sources: { ...one.sources, b: source("b") },
    pipelines: { ...one.pipelines, b: { from: ["b"], to: ["b"] }, both: { from: ["a"], to: ["again"] } },
    sinks: { ...one.sinks, b: sink("b"), again: sink("again") },
  };
  const host = await writeHost(folder, one);
  for (const writer of writers) await touch(writer.path);
  const agent = await startAgent(host);
  try {
    for (const writer of writers) writer.start();
    for (const next of [two, one, two]) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await writeHost(folder, next);
      await agent.reload();
    }
    for (const writer of writers) await writer.stop();
    const has = async (name: string, count: number): Promise<boolean> =>
      (await numbersIn(join(folder, `out/${name}.ndjson`))).length >= count;
    await waitFor(
      "everything is there",
      async () =>
        (await has("a", writers[0]!.count)) &&
        (await has("b", writers[1]!.count)) &&
        (await has("again", writers[0]!.count)),
      { explain: () => agent.stderr },
    );
    assert.equal(await agent.stop(), 0);
  } finally {
    await Promise.all(writers.map((writer) => writer.stop()));
    await agent.kill9();
  }
  assertExactlyOnce(await numbersIn(join(folder, "out/a.ndjson")), writers[0]!.count);
  assertExactlyOnce(await numbersIn(join(folder, "out/again.ndjson")), writers[0]!.count);
  assertExactlyOnce(await numbersIn(join(folder, "out/b.ndjson")), writers[1]!.count);
});

test("a configuration that is wrong leaves the old one in force", async (t) => {
  const folder = await temporaryFolder(t);
  const writer = new NumberedWriter(join(folder, "in/app.log"));
  await writer.write(10);
  const good = {
    sources: { app: { type: "file", include: [join(folder, "in/*.log")] } },
    pipelines: { all: { from: ["app"], to: ["out"] } },
    sinks: { out: { type: "file", path: join(folder, "out/all.ndjson"), batch: QUICK } },
  };
  const host = await writeHost(folder, good);
  const agent = await startAgent(host);
  try {
    await writeFile(host, "{ not json");
    agent.child.kill("SIGHUP");
    await waitFor("it says so", () => agent.stderr.includes("the old configuration stays in force"));
    await writer.write(10);
    await waitFor("twenty lines", async () => (await numbersIn(join(folder, "out/all.ndjson"))).length === 20);
    assert.equal(await agent.stop(), 0);
  } finally {
    await agent.kill9();
  }
});

test("after kill -9 at ten random points, with files that grow and are rotated, every line is there exactly once", async (t) => {
  const folder = await temporaryFolder(t);
  const writers = [1, 2, 3].map((i) => new NumberedWriter(join(folder, `in/app${i}.log`)));
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [join(folder, "in/*.log*")] } },
    pipelines: {
      one: { from: ["app"], to: ["one"] },
      two: { from: ["app"], to: ["two"], stages: [{ set: { fields: { "event.dataset": "app" } } }] },
    },
    sinks: {
      one: { type: "file", path: join(folder, "out/one.ndjson"), batch: QUICK },
      two: { type: "file", path: join(folder, "out/two.ndjson"), batch: { max_age_ms: 200 }, max_bytes: 300_000 },
    },
  });
  for (const writer of writers) {
    await writer.write(50);
    writer.start(10, 10);
  }
  let agent = new AgentProcess(host);
  try {
    for (let kills = 0; kills < 10; kills++) {
      await agent.started();
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 700));
      if (kills % 3 === 1) await logrotate(writers[kills % 2]!.path, folder, kills % 2 === 0 ? [] : ["nocreate"]);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
      await agent.kill9();
      if (kills % 3 === 2) await logrotate(writers[2]!.path, folder, ["nocreate"]);
      agent = new AgentProcess(host);
    }
    await agent.started();
    for (const writer of writers) await writer.stop();
    const total = writers.reduce((sum, writer) => sum + writer.count, 0);
    for (const name of ["one", "two"]) {
      await waitFor(
        `everything in ${name}`,
        async () => (await numbersIn(join(folder, `out/${name}.ndjson`))).length >= total,
        { withinMs: 30_000, everyMs: 200, explain: () => agent.stderr },
      );
    }
    assert.equal(await agent.stop(), 0);
  } finally {
    await Promise.all(writers.map((writer) => writer.stop()));
    await agent.kill9();
  }
  // Each file has its own numbers from 0: told apart by the path in the document.
  for (const name of ["one", "two"]) {
    for (const writer of writers) {
      assertExactlyOnce(await numbersOfFile(join(folder, "out"), name, writer.path), writer.count);
    }
  }
});

/** Numbers of the lines that came from a file or what it was rotated to. */
async function numbersOfFile(folder: string, name: string, path: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const file of await readdir(folder)) {
    if (!file.startsWith(`${name}.ndjson`) || file.endsWith(".wiretail")) continue;
    const lines = (await readFile(join(folder, file), "utf8")).split("\n").filter((line) => line.includes(path));
    numbers.push(...numbersOf(lines.join("\n")));
  }
  return numbers;
}

test("status tells the real backlog while a server takes calls and never answers", async (t) => {
  const folder = await temporaryFolder(t);
  const server = createServer((request) => request.resume());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const writer = new NumberedWriter(join(folder, "in/app.log"));
  await writer.write(4000);
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [join(folder, "in/*.log")] } },
    pipelines: { all: { from: ["app"], to: ["file", "es"] } },
    sinks: {
      file: { type: "file", path: join(folder, "out/all.ndjson"), batch: QUICK },
      es: {
        type: "elasticsearch",
        nodes: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`],
        batch: { max_age_ms: 50 },
      },
    },
  });
  const agent = await startAgent(host);
  try {
    await waitFor(
      "the file sink has all",
      async () => (await agent.status()).sinks.find((sink) => sink.name === "file")!.delivered_events === 4000,
    );
    await writer.write(1000);
    const bytes = (await readFile(writer.path)).length;
    await waitFor("all is read", async () => (await agent.status()).sources[0]!.read_events === 5000);
    await waitFor(
      "the file sink has all",
      async () => (await agent.status()).sinks.find((sink) => sink.name === "file")!.delivered_events === 5000,
    );
    const status = await agent.status();
    const es = status.sinks.find((sink) => sink.name === "es")!;
    assert.equal(es.queued_events, 5000);
    assert.equal(es.routed_events, es.delivered_events + es.queued_events + es.dead_lettered_events);
    assert.ok((es.oldest_queued_seconds ?? 0) > 0);
    const [source] = status.sources;
    assert.ok(Math.abs(source!.lag_bytes - bytes) <= bytes / 10, `lag ${source!.lag_bytes} of ${bytes}`);
    assert.ok(source!.lag_seconds > 0);
    const text = await wiretail(["status", "-c", host]);
    assert.match(text.stdout, /5,000 routed = 0 delivered \+ 5,000 queued/);
    assert.ok(!text.stdout.includes("\u001b"));
  } finally {
    await agent.kill9();
  }
});
