import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { AgentProcess, waitFor, wiretail, writeHost } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";
import { eth, exoticFrames, ip4, pcap, udp } from "../support/frames.ts";

type Document = Record<string, unknown> & { frame: { number: number } };

const documentsIn = async (path: string): Promise<Document[]> =>
  (await readFile(path, "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Document);

test("packets of a file are events of pipelines, compiled or not, exactly as decode prints them", async (t) => {
  const folder = await temporaryFolder(t);
  const frames = exoticFrames().filter(({ linkType }) => linkType === 1);
  const capture = join(folder, "a.pcap");
  await writeFile(capture, pcap(frames.map(({ frame }) => frame)));
  const sink = (name: string) => ({ type: "file", path: join(folder, `${name}.ndjson`) });
  const stages = [{ set: { fields: { "labels.who": "me" } } }, { filter: { drop: "frame.number <= 3" } }];
  const host = await writeHost(folder, {
    sources: {
      wire: { type: "packet", files: [capture] },
      few: { type: "packet", files: [capture], packets: { fields: ["frame.len"] } },
    },
    pipelines: {
      plain: { from: ["wire"], to: ["plain"] },
      compiled: { from: ["wire"], stages, to: ["compiled"] },
      uncompiled: { from: ["wire"], when: "frame.len > 0", stages, to: ["uncompiled"] },
      few: { from: ["few"], to: ["few"] },
    },
    sinks: {
      ...{ plain: sink("plain"), compiled: sink("compiled"), uncompiled: sink("uncompiled"), few: sink("few") },
    },
  });
  const { code, stderr } = await wiretail(["run", "-c", host, "--once"]);
  assert.equal(code, 0, stderr);
  const decoded = (await wiretail(["decode", capture, "--json"])).stdout.trimEnd().split("\n");
  const expected = decoded.map((line) => JSON.parse(line) as Document);
  const own = ({ host: _h, ecs: _e, log: _l, ...rest }: Document): unknown => rest;
  const plain = await documentsIn(join(folder, "plain.ndjson"));
  assert.deepEqual(plain.map(own), expected);
  assert.deepEqual(plain[0]!["log"], { file: { path: capture } });
  const compiled = await documentsIn(join(folder, "compiled.ndjson"));
  assert.deepEqual(
    compiled.map(own),
    expected.slice(3).map((each) => ({ ...each, labels: { who: "me" } })),
  );
  assert.deepEqual(await documentsIn(join(folder, "uncompiled.ndjson")), compiled);
  const [few] = (await documentsIn(join(folder, "few.ndjson"))).map(own);
  assert.deepEqual(few, { "@timestamp": expected[0]!["@timestamp"], frame: { len: frames[0]!.frame.length } });
});

test("every packet of a capture is in the local store exactly once, whenever the agent is killed", async (t) => {
  const folder = await temporaryFolder(t);
  const count = 60_000;
  const frames = Array.from({ length: count }, (_, i) =>
    eth(0x0800, ip4(17, udp(1, 2, [i >> 16, (i >> 8) & 255, i & 255]))),
  );
  await writeFile(join(folder, "a.pcap"), pcap(frames));
  const store = join(folder, "store");
  const host = await writeHost(folder, {
    sources: { wire: { type: "packet", files: [join(folder, "*.pcap")], packets: { fields: ["frame.number"] } } },
    pipelines: { all: { from: ["wire"], to: ["here"] } },
    // Small calls, so that there is a middle to be killed in.
    sinks: { here: { type: "local", path: store, batch: { max_events: 500 } } },
  });
  const numbers = async (): Promise<number[]> => {
    const { stdout } = await wiretail(["search", "-c", host, "*", "--json", "--limit", "0"]);
    return Array.from(stdout.matchAll(/"number":(\d+)/g), (match) => Number(match[1]));
  };
  const written = async (): Promise<number> => {
    const names = await readdir(store, { recursive: true }).catch((): string[] => []);
    const sizes = await Promise.all(names.map((name) => stat(join(store, name)).catch(() => undefined)));
    return sizes.reduce((sum, each) => sum + (each?.isFile() === true ? each.size : 0), 0);
  };
  const agent = new AgentProcess(host, { args: ["--once"] });
  await waitFor("the middle", async () => agent.isEnded || (await written()) > 1_000_000, { everyMs: 1 });
  await agent.kill9();
  const before = (await numbers()).length;
  assert.ok(before > 0 && before < count, `killed in the middle, at ${before}`);
  const again = new AgentProcess(host, { args: ["--once"] });
  assert.equal(await again.ended(), 0, again.stderr);
  const found = await numbers();
  assert.equal(found.length, count);
  assert.equal(new Set(found).size, count);
});
