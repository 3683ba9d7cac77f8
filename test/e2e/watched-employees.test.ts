import assert from "node:assert/strict";
import { cp, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startAgent, waitFor, wiretail } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

const HOST = /```jsonc\n([\s\S]*?)```/;

/** A record as tshark prints it in a list over many lines. */
function record(mac: string, protocols: string, ip?: string): Record<string, unknown> {
  const layers: Record<string, unknown> = {
    frame: { "frame.time_epoch": "1543500000.250000000", "frame.len": "342", "frame.protocols": protocols },
    eth: { "eth.dst": "ff:ff:ff:ff:ff:ff", "eth.src": mac },
  };
  if (ip !== undefined) layers["ip"] = { "ip.src": "0.0.0.0", "ip.dst": ip, "ip.proto": "17" };
  return { _index: "packets-2018-11-29", _score: null, _source: { layers } };
}

const RECORDS = [
  record("00:1a:2b:3c:4d:5e", "eth:ethertype:ip:udp:dhcp", "255.255.255.255"),
  record("00:1a:2b:3c:4d:5f", "eth:ethertype:ip:tcp", "192.0.2.1"),
  record("00:1a:2b:3c:4d:5e", "eth:ethertype:arp"),
  record("02:00:00:00:00:01", "eth:ethertype:ip:tcp:http", "192.0.2.227"),
];
const ROWS = [
  "Tom Jones | eth:ethertype:ip:udp:dhcp | 255.255.255.255",
  "Tom Jones | eth:ethertype:arp | null",
  "Tom Jones | eth:ethertype:ip:tcp:http | 192.0.2.227",
];

test("the recipe's host file ships each packet of a watched person from tshark's list, and ends by itself; try prints the same", async (t) => {
  const folder = await temporaryFolder(t);
  for (const name of ["watched-employees.json", "packet-row.json", "tables"])
    await cp(join("pipelines", name), join(folder, name), { recursive: true });
  await writeFile(join(folder, "pcap.json"), JSON.stringify(RECORDS, null, 2) + "\n");
  const [, host = ""] = HOST.exec(await readFile("docs/recipes/watched-employees.md", "utf8"))!;
  await writeFile(join(folder, "watch.json"), host.replaceAll('"./', `"${folder}/`));
  const run = await wiretail(["run", "--config", join(folder, "watch.json"), "--once"]);
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(run.stdout.trimEnd().split("\n"), ROWS);
  const found = await wiretail(["search", 'user.full_name: "Tom Jones"', "--store", join(folder, "store"), "--json"]);
  const rows = found.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { message: string });
  assert.deepEqual(rows.map(({ message }) => message).sort(), [...ROWS].sort());
  const tried = await wiretail(["try", join(folder, "watched-employees.json"), join(folder, "pcap.json"), "--json"]);
  const objects = tried.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    objects.map(({ message }) => message),
    ROWS,
  );
  assert.deepEqual(
    ["ip_src", "ip_dst", "ip_src_host", "ip_dst_host", "ip_proto"].map((name) => objects[1]![name]),
    [null, null, null, null, null],
  );
});

test("a person who is put on the list while the agent runs is seen from then on", async (t) => {
  const folder = await temporaryFolder(t);
  for (const name of ["packet-row.json", "tables"])
    await cp(join("pipelines", name), join(folder, name), { recursive: true });
  const pipeline = JSON.parse(await readFile("pipelines/watched-employees.json", "utf8")) as {
    stages: { lookup?: { reload_seconds?: number } }[];
  };
  for (const { lookup } of pipeline.stages) if (lookup !== undefined) lookup.reload_seconds = 1;
  await writeFile(join(folder, "watched.json"), JSON.stringify(pipeline));
  await mkdir(join(folder, "in"));
  const [input, out] = [join(folder, "in", "tshark.json"), join(folder, "out.txt")];
  await writeFile(
    join(folder, "host.json"),
    JSON.stringify({
      state_dir: join(folder, "state"),
      sources: { tshark: { type: "file", include: [input], start_at: "beginning" } },
      pipelines: { watched: { from: ["tshark"], use: "./watched.json", to: ["out"] } },
      sinks: { out: { type: "file", path: out, format: "text" } },
    }),
  );
  const agent = await startAgent(join(folder, "host.json"));
  const text = (): Promise<string> => readFile(out, "utf8").catch(() => "");
  const write = async (mac: string): Promise<void> =>
    writeFile(input, JSON.stringify(record(mac, "eth:ethertype:ip:tcp", "192.0.2.9")) + "\n", { flag: "a" });
  try {
    await write("00:1a:2b:3c:4d:5e");
    await waitFor("the first row", async () => (await text()).includes("Tom Jones"));
    const employees = join(folder, "tables", "employees.json");
    await writeFile(`${employees}.new`, (await readFile(employees, "utf8")).replace('"NO"', '"YES"'));
    await rename(`${employees}.new`, employees);
    await waitFor("a row of Ada Smith", async () => {
      await write("00:1a:2b:3c:4d:5f");
      return (await text()).includes("Ada Smith | eth:ethertype:ip:tcp | 192.0.2.9");
    });
  } finally {
    await agent.stop();
  }
});
