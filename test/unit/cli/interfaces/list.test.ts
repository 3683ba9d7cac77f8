import assert from "node:assert/strict";
import { test } from "node:test";
import { listInterfaces } from "../../../../src/cli/interfaces/list.ts";

/** What Linux says of interfaces, by name and file. */
const SYS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  eth0: { type: "1", operstate: "up", address: "02:00:00:00:00:01", mtu: "1500", device: "", uevent: "INTERFACE=eth0" },
  lo: { type: "772", operstate: "unknown", flags: "0x9", address: "00:00:00:00:00:00", mtu: "65536" },
  wlan0: { type: "1", operstate: "down", address: "02:00:00:00:00:02", uevent: "DEVTYPE=wlan\nINTERFACE=wlan0" },
  br0: { type: "1", operstate: "up", uevent: "DEVTYPE=bridge" },
  tun0: { type: "65534", operstate: "unknown", flags: "0x1091", address: "" },
  veth1: { type: "1", operstate: "up" },
};
const addresses = {
  eth0: [{ address: "192.0.2.2", cidr: "192.0.2.2/24", mac: "02:00:00:00:00:01", internal: false }],
} as never;

const found = listInterfaces(
  Object.keys(SYS),
  (name, file) => SYS[name]?.[file],
  addresses,
  (name, file) => SYS[name]?.[file] !== undefined,
);
const of = (name: string) => found.find((each) => each.name === name);

test("interfaces are told apart by what Linux says of them, and listed by name", () => {
  assert.deepEqual(
    found.map(({ name, kind, state }) => [name, kind, state]),
    [
      ["br0", "bridge", "up"],
      ["eth0", "ethernet", "up"],
      ["lo", "loopback", "up"],
      ["tun0", "tunnel", "up"],
      ["veth1", "virtual", "up"],
      ["wlan0", "wireless", "down"],
    ],
  );
});

test("link types are those of captures, and an address of zeros is none", () => {
  assert.deepEqual(of("eth0"), {
    ...{ name: "eth0", state: "up", kind: "ethernet", link_type: "EN10MB", mac: "02:00:00:00:00:01" },
    ...{ addresses: ["192.0.2.2/24"], mtu_bytes: 1500 },
  });
  assert.deepEqual([of("lo")!.mac, of("tun0")!.mac, of("tun0")!.link_type], [undefined, undefined, "RAW"]);
});
