import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { flowsOptions, toFlowOptions } from "../../../../src/packet/flows/flows-options.ts";
import { LocalProcesses } from "../../../../src/packet/flows/local-processes.ts";
import { flowsOf, pcapAt, segment } from "../../../support/flows.ts";
import { temporaryFolder } from "../../../support/folders.ts";

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
  const defaults = Object.fromEntries(
    Object.entries(flowsOptions.properties ?? {}).map(([name, { default: value }]) => [name, value]),
  ) as unknown as Parameters<typeof toFlowOptions>[0];
  const { isOwn } = toFlowOptions({ ...defaults, own_addresses: ["10.0.0.0/8", "fd00::1"] }, undefined);
  assert.deepEqual(
    ["10.9.8.7", "11.0.0.1", "fd00::1", "fd00::2"].map((ip) => isOwn!(ip)),
    [true, false, true, false],
  );
  assert.equal(toFlowOptions(defaults, undefined).isOwn, undefined);
  assert.equal(toFlowOptions({ ...defaults, own_addresses: ["host"] }, undefined).isOwn!("203.0.113.9"), false);
  for (const wrong of ["10.0.0.0/33", "example.org", "10.0.0.0/x"])
    assert.throws(() => toFlowOptions({ ...defaults, own_addresses: [wrong] }, undefined), {
      code: "WT_CONFIG_INVALID",
    });
});
