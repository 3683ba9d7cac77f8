import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { flowsOptions, toFlowOptions } from "../../../../src/packet/flows/flows-options.ts";
import { LocalProcesses } from "../../../../src/packet/flows/local-processes.ts";
import { flowsOf, pcapAt, segment } from "../../../support/flows.ts";
import { temporaryFolder } from "../../../support/folders.ts";
import { until } from "../../../support/until.ts";

const DEFAULTS = Object.fromEntries(
  Object.entries(flowsOptions.properties ?? {}).map(([name, { default: value }]) => [name, value]),
) as unknown as Parameters<typeof toFlowOptions>[0];

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const socket = (local: string, remote: string, inode: number): string =>
  `   0: ${local} ${remote} 01 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`;

it("sockets have the processes that proc says, connected ones before those that listen", async (test) => {
  const root = await temporaryFolder(test);
  await mkdir(join(root, "net"));
  const zero = "0".repeat(32);
  const tcp = [socket("0100000A:9C40", "0200000A:0050", 11), socket("00000000:0016", "00000000:0000", 12)];
  const tcp6 = socket("0000000000000000FFFF00000100000A:1F90", "0000000000000000FFFF00000900000A:1F91", 13);
  await writeFile(join(root, "net/tcp"), HEAD + tcp.join(""));
  await writeFile(join(root, "net/tcp6"), HEAD + tcp6 + socket(`${zero}:0035`, `${zero}:0000`, 14));
  for (const [pid, name, inodes] of [
    ["7", "chat", [11, 13]],
    ["8", "sshd", [12, 99]],
  ] as const) {
    await mkdir(join(root, pid, "fd"), { recursive: true });
    await writeFile(join(root, pid, "comm"), `${name}\n`);
    for (const inode of inodes) await symlink(`socket:[${inode}]`, join(root, pid, "fd", String(inode)));
    await symlink("/dev/null", join(root, pid, "fd", "0"));
  }
  const processes = new LocalProcesses(root, () => 0);
  await processes.look();
  assert.deepEqual(processes.find("tcp", "10.0.0.1", 40_000, "10.0.0.2", 80), { pid: 7, name: "chat" });
  assert.deepEqual(processes.find("tcp", "10.0.0.1", 8080, "10.0.0.9", 8081), { pid: 7, name: "chat" });
  assert.equal(processes.find("udp", "10.0.0.1", 40_000, "10.0.0.2", 80), undefined);
  const own = Object.values(networkInterfaces()).flat()[0]?.address ?? "127.0.0.1";
  assert.equal(processes.find("tcp", own, 22, "10.9.9.9", 5)?.name, "sshd");
  assert.equal(processes.find("tcp", "203.0.113.9", 22, "10.9.9.9", 5), undefined, "another machine's port");
  const [flow] = flowsOf(pcapAt([[0, segment(">", 2, 1)]]), { processes });
  assert.deepEqual(flow!.process, { pid: 7, name: "chat" });
  assert.deepEqual(flow!.source.process, { pid: 7, name: "chat" });
  assert.equal(flow!.destination.process, undefined);
});

it("own addresses are addresses, networks and the host's, and nonsense is refused", () => {
  const { isOwn } = toFlowOptions({ ...DEFAULTS, own_addresses: ["10.0.0.0/8", "fd00::1"] }, undefined);
  assert.deepEqual(
    ["10.9.8.7", "11.0.0.1", "fd00::1", "fd00::2"].map((ip) => isOwn!(ip)),
    [true, false, true, false],
  );
  assert.equal(toFlowOptions(DEFAULTS, undefined).isOwn, undefined);
  assert.equal(toFlowOptions({ ...DEFAULTS, own_addresses: ["host"] }, undefined).isOwn!("203.0.113.9"), false);
  for (const wrong of ["10.0.0.0/33", "example.org", "10.0.0.0/x"])
    assert.throws(() => toFlowOptions({ ...DEFAULTS, own_addresses: [wrong] }, undefined), {
      code: "WT_CONFIG_INVALID",
    });
});

it("a look goes through open files only for sockets that are new, and forgets none that closed before its flow's record", async (test) => {
  const root = await temporaryFolder(test);
  await mkdir(join(root, "net"));
  const sockets = [socket("0100000A:9C40", "0200000A:0050", 11)];
  const write = (): Promise<void> => writeFile(join(root, "net/tcp"), HEAD + sockets.join(""));
  await write();
  await mkdir(join(root, "7/fd"), { recursive: true });
  await writeFile(join(root, "7/comm"), "chat\n");
  await symlink("socket:[11]", join(root, "7/fd/3"));
  let now = 0;
  const processes = new LocalProcesses(root, () => now);
  const find = (port: number) => processes.find("tcp", "10.0.0.1", port, "10.0.0.2", 80)?.name;
  await processes.look();
  assert.equal(find(40_000), "chat");
  // Known sockets keep the name that they had when they were found.
  await writeFile(join(root, "7/comm"), "other\n");
  await processes.look();
  assert.equal(find(40_000), "chat");
  sockets[0] = socket("0100000A:9C41", "0200000A:0050", 12);
  await write();
  await symlink("socket:[12]", join(root, "7/fd/4"));
  now = 60_000;
  await processes.look();
  assert.deepEqual([find(40_001), find(40_000)], ["other", "chat"]);
  now = 900_000;
  await processes.look();
  assert.deepEqual([find(40_001), find(40_000)], ["other", undefined]);
});

it("a flow that begins in the pause between two looks gets a look when the pause is over", async (test) => {
  const root = await temporaryFolder(test);
  await mkdir(join(root, "net"));
  test.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  const processes = new LocalProcesses(root, () => now);
  await processes.look();
  await mkdir(join(root, "7/fd"), { recursive: true });
  await writeFile(join(root, "7/comm"), "chat\n");
  await symlink("socket:[11]", join(root, "7/fd/3"));
  await writeFile(join(root, "net/tcp"), HEAD + socket("0100000A:9C40", "0200000A:0050", 11));
  processes.flowBegan();
  now = 2000;
  test.mock.timers.tick(2000);
  test.mock.timers.reset();
  const find = () => processes.find("tcp", "10.0.0.1", 40_000, "10.0.0.2", 80)?.name;
  await until("the look", () => find() === "chat");
});

it("processes are looked for in live captures, on this machine's side, unless that is turned off", () => {
  assert.equal(toFlowOptions(DEFAULTS, undefined).processes, undefined);
  assert.equal(toFlowOptions({ ...DEFAULTS, processes: false }, () => true).processes, undefined);
  assert.equal(toFlowOptions(DEFAULTS, () => false).processes?.find("tcp", "127.0.0.1", 1, "127.0.0.1", 2), undefined);
});
