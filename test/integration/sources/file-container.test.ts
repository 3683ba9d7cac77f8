import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFile, mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Bench, FAST } from "../../support/file-source.ts";
import { until, type MemoryOutput } from "../../support/source-output.ts";

const ID = "0123456789abcdef".repeat(4);

const cri = (tag: string, text: string, stream = "stdout"): string =>
  `2026-11-21T10:00:00.123456789Z ${stream} ${tag} ${text}\n`;
const said = (output: MemoryOutput): string[] => output.texts().map((text) => text.replace(/^\S+ \S+ \S+ /, ""));
const fieldsOf = (output: MemoryOutput): Record<string, unknown> => {
  const { paths, values } = output.batches[0]!.partition.envelope;
  return Object.fromEntries(paths.map((path, i) => [path.name, values[i]]));
};

describe("logs of containers in files", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await Bench.make();
    await mkdir(bench.path("containers"), { recursive: true });
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  /** As kubelet lays it out: a link under containers to the file under pods. */
  const kubernetes = async (): Promise<{ link: string; log: string; include: string[] }> => {
    const log = bench.path("pods/shop_web-7d4b_11111111-2222-3333-4444-555555555555/nginx/0.log");
    const link = bench.path(`containers/web-7d4b_shop_nginx-${ID}.log`);
    await mkdir(dirname(log), { recursive: true });
    await writeFile(log, "");
    await symlink(log, link);
    return { link, log, include: [bench.path("containers/*.log")] };
  };

  it("are read through links, with what the path says of pod and container", async () => {
    const { log, link, include } = await kubernetes();
    await writeFile(log, cri("F", "hello"));
    const output = await bench.once({ include, container: "auto", file_fields: ["name", "path_resolved", "inode"] });
    const { "log.file.inode": inode, ...fields } = fieldsOf(output);
    assert.match(String(inode), /^\d+$/);
    assert.deepEqual(fields, {
      "host.name": "host",
      "ecs.version": "8.17.0",
      "log.file.path": link,
      "log.file.name": `web-7d4b_shop_nginx-${ID}.log`,
      "log.file.path_resolved": log,
      "container.id": ID,
      "container.name": "nginx",
      "kubernetes.container.name": "nginx",
      "kubernetes.container.restart_count": 0,
      "kubernetes.namespace": "shop",
      "kubernetes.pod.name": "web-7d4b",
      "kubernetes.pod.uid": "11111111-2222-3333-4444-555555555555",
      "orchestrator.type": "kubernetes",
      "orchestrator.namespace": "shop",
      "orchestrator.resource.type": "pod",
      "orchestrator.resource.name": "web-7d4b",
    });
  });

  it("of Docker have the container's name and image from beside the log", async () => {
    const log = bench.path(`docker/${ID}/${ID}-json.log`);
    await mkdir(dirname(log), { recursive: true });
    await writeFile(
      `${dirname(log)}/config.v2.json`,
      JSON.stringify({ Name: "/shop_web_1", Config: { Image: "nginx:1" } }),
    );
    await writeFile(log, '{"log":"half","stream":"stdout","time":"t"}\n');
    const run = bench.start({ include: [bench.path("docker/*/*-json.log")], container: "docker", ...FAST });
    await until(() => run.source.inputs()[0]?.state === "idle");
    assert.equal(run.output.count, 0);
    await appendFile(log, '{"log":" a line\\n","stream":"stdout","time":"u"}\n');
    await until(() => run.output.count === 1);
    assert.deepEqual(run.output.texts(), ['{"log":"half a line\\n","stream":"stdout","time":"t"}']);
    const { "container.id": id, "container.name": name, "container.image.name": image } = fieldsOf(run.output);
    assert.deepEqual([id, name, image], [ID, "shop_web_1", "nginx:1"]);
  });

  it("a line that is not ended is not behind the checkpoint: after a stop or a kill it is joined all the same", async () => {
    const { log, include } = await kubernetes();
    for (const how of ["stop", "kill"] as const) {
      const run = bench.start({ include, container: "cri", ...FAST });
      await appendFile(log, cri("F", `${how} whole`) + cri("P", `${how} half, `) + cri("F", "err", "stderr"));
      await until(() => said(run.output).includes(`${how} whole`));
      await run[how]();
      await appendFile(log, cri("F", "end"));
      const after = await bench.once({ include, container: "cri" });
      assert.deepEqual(said(after), [`${how} half, end`, "err"]);
    }
    assert.equal(bench.durable.repeats, 0);
    assert.deepEqual(bench.durable.conflicts, []);
  });

  it("a line that is never ended goes out after a while, flagged", async () => {
    const { log, include } = await kubernetes();
    await writeFile(log, cri("P", "prompt> "));
    const run = bench.start({ include, container: "auto", ...FAST, idle_line_flush_ms: 200 });
    await until(() => run.output.count === 1);
    assert.deepEqual(run.output.events()[0]!.flags, ["truncated"]);
    await appendFile(log, cri("F", "answer"));
    await until(() => run.output.count === 2);
    assert.deepEqual(said(run.output), ["prompt> ", "answer"]);
  });

  for (const watch of ["notify", "poll"] as const) {
    it(`are followed through kubelet's rotation while the agent runs (${watch})`, async () => {
      const { log, include } = await kubernetes();
      const run = bench.start({ include, container: "auto", watch, ...FAST });
      for (let round = 0; round < 4; round++) {
        await appendFile(log, cri("F", `${round} a`));
        await until(() => said(run.output).includes(`${round} a`));
        await rename(log, `${log}.20261121-10000${round}`);
        // The runtime goes on in the old file until it is told to open the new one.
        await appendFile(`${log}.20261121-10000${round}`, cri("F", `${round} late`));
        await writeFile(log, cri("F", `${round} b`));
        if (round > 0) execFileSync("gzip", [`${log}.20261121-10000${round - 1}`]);
        await until(() => said(run.output).includes(`${round} b`));
      }
      await run.stop();
      const all = [0, 1, 2, 3].flatMap((round) => [`${round} a`, `${round} late`, `${round} b`]);
      assert.deepEqual(said(run.output), all);
      assert.deepEqual(said(await bench.once({ include, container: "auto" })), []);
    });
  }

  it("what kubelet rotated and compressed while the agent was down is found behind the link, in order", async () => {
    const { log, include } = await kubernetes();
    await writeFile(log, cri("F", "0") + cri("F", "x".repeat(200)));
    assert.equal((await bench.once({ include, container: "auto" })).count, 2);
    await appendFile(log, cri("P", "1") + cri("F", "!"));
    await rename(log, `${log}.20261121-100000`);
    execFileSync("gzip", [`${log}.20261121-100000`]);
    await writeFile(log, cri("F", "2"));
    await rename(log, `${log}.20261121-100001`);
    await writeFile(log, cri("F", "3"));
    const output = await bench.once({ include, container: "auto" });
    assert.deepEqual(said(output), ["1!", "2", "3"]);
    assert.deepEqual(output.drops, []);
    assert.deepEqual(said(await bench.once({ include, container: "auto" })), []);
  });
});
