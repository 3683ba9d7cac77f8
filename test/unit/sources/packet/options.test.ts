import assert from "node:assert/strict";
import { test } from "node:test";
import { optionFaults, packetDefaults, type PacketOptions } from "../../../../src/sources/packet/options.ts";

const pointers = (options: Partial<PacketOptions>): string[] =>
  optionFaults({ ...packetDefaults(), ...options }).map(([pointer]) => pointer);

test("packets come from exactly one place", () => {
  assert.deepEqual(pointers({}), [""]);
  assert.deepEqual(pointers({ interfaces: ["eth0"], stdin: true }), ["/stdin"]);
  for (const one of [{ interfaces: ["eth0"] }, { files: ["*.pcap"] }, { stdin: true }, { command: ["cat"] }])
    assert.deepEqual(pointers(one), []);
});

test("what only a live capture can do is an error for what was captured already", () => {
  for (const from of [{ files: ["*.pcap"] }, { stdin: true }, { command: ["cat"] }]) {
    const rest = { driver: "tcpdump", snap_length: 96, promiscuous: false, buffer_bytes: 1 << 20 } as const;
    assert.deepEqual(pointers({ ...from, ...rest }), ["/driver", "/snap_length", "/promiscuous", "/buffer_bytes"]);
  }
  assert.deepEqual(pointers({ command: ["cat"], filter: "udp" }), ["/filter"]);
  assert.deepEqual(pointers({ files: ["*.pcap"], filter: "udp" }), []);
});

test("any goes with no other interface, and nothing that looks like an option is an interface", () => {
  assert.deepEqual(pointers({ interfaces: ["any", "eth0"] }), ["/interfaces"]);
  assert.deepEqual(pointers({ interfaces: ["eth0", "-w/etc/passwd"] }), ["/interfaces/1"]);
});

test("what the driver cap cannot honour is an error, and what it can is none", () => {
  const cap: Partial<PacketOptions> = { interfaces: ["eth0"], driver: "cap" };
  assert.deepEqual(pointers({ ...cap, buffer_bytes: 1 << 26, snap_length: 96, filter: "udp" }), []);
  assert.deepEqual(pointers({ ...cap, snap_length: 65_535 }), []);
  assert.deepEqual(pointers({ ...cap, snap_length: 100_000, promiscuous: false, service_socket: "/run/x" }), [
    "/snap_length",
    "/promiscuous",
    "/service_socket",
  ]);
});
