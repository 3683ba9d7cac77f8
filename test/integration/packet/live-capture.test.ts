import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { AgentProcess, waitFor, WIRETAIL, writeHost, type AgentProcessOptions } from "../../support/e2e.ts";
import { folderInUse, temporaryFolder } from "../../support/folders.ts";
import { prepareCap } from "../../support/servers/cap.ts";
import { eth, ip4, pcap, tag, udp } from "../../support/frames.ts";
import { ended, makeVethPair, startIn, type VethPair } from "../../support/veth.ts";

const PACKETS = 2000;

let net: VethPair;
before(async () => (net = await makeVethPair()));
after(() => net.remove());

type Document = Record<string, unknown> & {
  frame?: { number: number };
  source?: { ip: string; port: number };
  destination?: { port: number };
  network?: { vlan?: { id: string } };
  packet?: { capture: Record<string, number> };
};

interface Running {
  readonly agent: AgentProcess;
  readonly documents: () => Promise<Document[]>;
  readonly packets: () => Promise<Document[]>;
}

/** An agent in the host `near` that captures there into a file, and waits until it does. */
async function capturing(
  t: TestContext,
  source: Readonly<Record<string, unknown>>,
  options: AgentProcessOptions & { sinks?: Readonly<Record<string, unknown>>; readable?: true } = {},
): Promise<Running> {
  let agent: AgentProcess | undefined;
  const folder = await folderInUse(t, async () => agent?.kill9());
  if (options.readable === true) await chmod(folder, 0o777);
  const out = join(folder, "out.ndjson");
  const host = await writeHost(folder, {
    sources: { wire: { type: "packet", count_interval_seconds: 1, ...source } },
    pipelines: { all: { from: ["wire"], to: ["out", ...Object.keys(options.sinks ?? {})] } },
    sinks: { out: { type: "file", path: out, batch: { max_age_ms: 20 } }, ...options.sinks },
  });
  const command = ["ip", "netns", "exec", net.near, ...(options.command ?? [process.execPath, WIRETAIL])];
  const running = (agent = new AgentProcess(host, { ...options, command }));
  await running.started();
  const documents = async (): Promise<Document[]> => {
    const text = await readFile(out, "utf8").catch(() => "");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Document);
  };
  const packets = async (): Promise<Document[]> => (await documents()).filter(({ frame }) => frame !== undefined);
  await waitFor("the capture", async () => (await running.status()).sources[0]?.inputs[0]?.state === "reading", {
    explain: () => running.stderr,
  });
  return { agent: running, documents, packets };
}

/** Where the agent finds the driver `cap`. */
const environment = async (driver: string): Promise<AgentProcessOptions> =>
  driver === "cap" ? { env: await prepareCap() } : {};

/** The processes of the near host with a name. */
async function programs(name: string): Promise<string[]> {
  const pids = (await net.inside(net.near, "ip", "netns", "pids", net.near)).trim().split("\n");
  const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return pids.filter(
    (_, i) => names[i]!.split("\0").some((word) => word.endsWith(name)) && !names[i]!.startsWith("/bin/sh"),
  );
}

/** Frames from the far host, by tcpreplay at a rate that nobody loses anything of. */
async function replay(t: TestContext, frames: readonly Buffer[]): Promise<void> {
  const file = join(await temporaryFolder(t), "replay.pcap");
  await writeFile(file, pcap(frames));
  await net.inside(net.far, "tcpreplay", "-q", "-i", "v0", "--pps=20000", file);
}

const numbered = (count: number, port = 4000): Buffer[] =>
  Array.from({ length: count }, (_, i) =>
    eth(0x0800, ip4(17, udp(port, 9, [i >> 8, i & 255]), { source: "10.9.7.2", destination: "10.9.7.77" })),
  );

const from = (port: number) => (event: Document) => event.source?.port === port;

/** Sums of the events that say what became of the packets. */
const reported = (documents: readonly Document[]): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const { packet } of documents)
    for (const [name, value] of Object.entries(packet?.capture ?? {}))
      if (typeof value === "number") sums[name] = (sums[name] ?? 0) + value;
  return sums;
};

for (const driver of ["tcpdump", "dumpcap", "cap"]) {
  test(`${driver}: every packet is one event, what was seen is what was decoded and dropped, in status and in events`, async (t) => {
    // For cap a packet of any size takes 64 KiB of it: room for all of them.
    const room = driver === "cap" ? { buffer_bytes: 134_217_728 } : {};
    const { agent, documents, packets } = await capturing(
      t,
      { interfaces: ["v0"], driver, ...room },
      await environment(driver),
    );
    const flags = await net.inside(net.near, "ip", "-d", "link", "show", "v0");
    assert.match(flags, /promiscuity [1-9]/);
    await replay(t, numbered(PACKETS));
    await waitFor("the packets", async () => (await packets()).filter(from(4000)).length >= PACKETS);
    const own = (await agent.status()).sources[0]!.own!;
    assert.equal(own["decoded_packets"], own["packets_events"]);
    assert.equal(await agent.stop(), 0);
    assert.equal((await packets()).filter(from(4000)).length, PACKETS);
    const { seen, decoded, dropped_by_kernel, dropped_by_interface, dropped_at_end } = reported(await documents());
    assert.equal(decoded, (await packets()).length, "the last event came, too");
    assert.equal(seen, decoded + dropped_by_kernel! + dropped_by_interface! + dropped_at_end!);
    assert.match(await net.inside(net.near, "ip", "-d", "link", "show", "v0"), /promiscuity 0/);
  });
}

test("cap: what the kernel drops is worked out from the interface's counters, and marked so", async (t) => {
  const { agent, documents } = await capturing(t, { interfaces: ["v0"], driver: "cap" }, await environment("cap"));
  const [pid] = await programs("capture-process.js");
  // It does not take anything: the kernel's buffer has room for some.
  process.kill(Number(pid), "SIGSTOP");
  await replay(t, numbered(PACKETS));
  process.kill(Number(pid), "SIGCONT");
  const own = async (): Promise<Readonly<Record<string, number>>> => (await agent.status()).sources[0]!.own!;
  await waitFor("the estimate", async () => (await own())["seen_packets"]! >= PACKETS);
  const { decoded_packets: decoded, dropped_by_kernel_packets: dropped, dropped_counts_estimated } = await own();
  assert.equal(dropped_counts_estimated, 1);
  assert.ok(dropped! > 0 && decoded! > 0, `${dropped} dropped, ${decoded} decoded`);
  assert.equal(await agent.stop(), 0);
  const all = await documents();
  assert.ok(
    all.some(({ packet }) => (packet?.capture as unknown as { drops?: string } | undefined)?.drops === "estimated"),
  );
  const { seen, decoded: reportedDecoded, dropped_by_kernel } = reported(all);
  assert.equal(seen, PACKETS);
  assert.equal(seen, reportedDecoded! + dropped_by_kernel!);
});

test("tags of VLANs are kept, the filter is the kernel's, and the loopback gives each packet once", async (t) => {
  const { agent, packets } = await capturing(t, { interfaces: ["v0", "lo"], filter: "udp port 4242 or vlan" });
  const payload = ip4(17, udp(4001, 9), { source: "10.9.7.2" });
  await replay(t, [...numbered(5), eth(0x88a8, tag(12, 0x8100, tag(34, 0x0800, payload)))]);
  const send = `const s = require("node:dgram").createSocket("udp4"); let n = 0;
    const next = () => n++ < 3 ? s.send("x", 4242, "127.0.0.1", next) : s.close(); next();`;
  await net.inside(net.near, process.execPath, "-e", send);
  await waitFor("the packets", async () => (await packets()).length >= 4);
  assert.equal(await agent.stop(), 0);
  const found = await packets();
  assert.deepEqual(
    found.filter(from(4001)).map(({ network }) => network?.vlan?.id),
    ["12"],
  );
  assert.equal(found.filter(from(4000)).length, 0);
  assert.equal(found.filter(({ source }) => source?.ip === "127.0.0.1").length, 3);
});

test("packets of the agent's own connections are left out and counted, others to the same server kept", async (t) => {
  // It is no Elasticsearch: the sink asks it again and again, which is traffic enough.
  const serve = `require("node:http").createServer((q, r) => { q.resume(); r.end("{}"); })
    .listen(9200, "10.9.7.2", () => console.log("up"))`;
  const server = startIn(net.far, [process.execPath, "-e", serve]);
  t.after(() => ended(server, "SIGKILL"));
  await once(server.stdout!, "data");
  const { agent, packets } = await capturing(
    t,
    { interfaces: ["v0"], filter: "tcp port 9200" },
    { sinks: { es: { type: "elasticsearch", nodes: ["http://10.9.7.2:9200"] } } },
  );
  const ask = `let n = 0; const next = () => n++ < 3 && require("node:http").get({ host: "10.9.7.2", port: 9200,
    localPort: 41000 + n, agent: false }, (r) => r.resume().on("close", next)); next();`;
  await net.inside(net.near, process.execPath, "-e", ask);
  await waitFor("packets of ours", async () => Number((await agent.status()).sources[0]!.own!["own_packets"]) >= 8);
  const clientPorts = async (): Promise<Set<number>> =>
    new Set((await packets()).map(({ source, destination }) => Math.max(source!.port, destination!.port)));
  await waitFor("packets of others", async () => (await clientPorts()).size >= 3);
  assert.deepEqual([...(await clientPorts())].sort(), [41_001, 41_002, 41_003]);
  const { own_packets, decoded_packets, packets_events } = (await agent.status()).sources[0]!.own!;
  assert.equal(decoded_packets, own_packets! + packets_events!);
});

test("a live flow has the process of this machine that holds its socket", async (t) => {
  const listen = `require("node:net").createServer((s) => s.resume()).listen(9100, "10.9.7.2", () => console.log("up"))`;
  const server = startIn(net.far, [process.execPath, "-e", listen]);
  t.after(() => ended(server, "SIGKILL"));
  await once(server.stdout!, "data");
  const { documents } = await capturing(t, {
    ...{ interfaces: ["v0"], filter: "tcp port 9100", outputs: ["flows"], flows: { active_seconds: 1 } },
  });
  // It goes on for as long as it is looked at.
  const talk = `const s = require("node:net").connect(9100, "10.9.7.2"); setInterval(() => s.write("x"), 100);`;
  const client = startIn(net.near, [process.execPath, "-e", talk]);
  t.after(() => ended(client, "SIGKILL"));
  type Flow = Document & { process?: object; network?: { direction: string }; source?: { process?: object } };
  const named = async (): Promise<Flow | undefined> =>
    ((await documents()) as Flow[]).find((each) => each.process !== undefined);
  await waitFor("a record with a process", async () => (await named()) !== undefined);
  const flow = (await named())!;
  const name = (await readFile(`/proc/${client.pid}/comm`, "utf8")).trim();
  assert.deepEqual(flow.process, { pid: client.pid, name });
  assert.deepEqual(flow.source!.process, flow.process);
  assert.equal(flow.network!.direction, "egress");
});

test("the capturing program ends when the agent is killed, and is started again when it dies itself", async (t) => {
  const { agent, packets } = await capturing(t, { interfaces: ["v0"], restart_max_delay_ms: 100 });
  const [first, ...more] = await programs("tcpdump");
  assert.deepEqual(more, []);
  process.kill(Number(first), "SIGKILL");
  await waitFor("another", async () => {
    const { own, inputs } = (await agent.status()).sources[0]!;
    return own!["restarts"] === 1 && inputs[0]!.state === "reading";
  });
  await replay(t, numbered(10));
  await waitFor("packets of the second", async () => (await packets()).filter(from(4000)).length === 10);
  assert.equal((await programs("tcpdump")).length, 1);
  await agent.kill9();
  await waitFor("its end", async () => (await programs("tcpdump")).length === 0);
});

test("an agent without any capability gets packets from the capture service, which has one", async (t) => {
  let end = async (): Promise<unknown> => undefined;
  const folder = await folderInUse(t, () => end());
  await chmod(folder, 0o755);
  const run = join(folder, "run");
  await mkdir(run, { mode: 0o777 });
  await chmod(run, 0o777);
  const socket = join(run, "capture.sock");
  const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
  const one = ["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw", "--bounding-set", "-all,+net_raw"];
  const service = startIn(net.near, [
    ...nobody,
    ...one,
    process.execPath,
    WIRETAIL,
    "capture",
    "-i",
    "v0",
    "--socket",
    socket,
  ]);
  end = () => ended(service, "SIGTERM");
  await once(service.stderr!, "data");
  const none = ["--inh-caps", "-all", "--bounding-set", "-all", "--no-new-privs"];
  const command = [...nobody, ...none, process.execPath, WIRETAIL];
  const { agent, packets, documents } = await capturing(
    t,
    { interfaces: ["v0"], service_socket: socket },
    { command, readable: true },
  );
  const before = (await packets()).length;
  await replay(t, numbered(PACKETS, 4002));
  await waitFor("the packets", async () => (await packets()).filter(from(4002)).length >= PACKETS);
  assert.ok(before < PACKETS);
  const { pid } = await agent.status();
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
    assert.match(status, new RegExp(`${set}:\\s0+\\n`));
  assert.equal(await agent.stop(), 0);
  const { seen, decoded, dropped_by_kernel, dropped_at_end } = reported(await documents());
  assert.equal(seen, decoded! + dropped_by_kernel! + dropped_at_end!);
});
