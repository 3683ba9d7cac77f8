import assert from "node:assert/strict";
import { test } from "node:test";
import { countsOfRun } from "../../../../src/sources/packet/capture-counts.ts";
import { capRemedy } from "../../../../src/sources/packet/drivers/cap/addon.ts";
import { chooseDriver } from "../../../../src/sources/packet/drivers/choose.ts";
import { NO_COUNTS, type Driver, type DriverCounts } from "../../../../src/sources/packet/drivers/driver.ts";
import { packetDefaults } from "../../../../src/sources/packet/options.ts";
import { dumpcap } from "../../../../src/sources/packet/drivers/dumpcap.ts";
import { tcpdump } from "../../../../src/sources/packet/drivers/tcpdump.ts";

/** What a driver makes of what its program wrote to standard error, line by line. */
function read(driver: Driver, text: string): { counts: DriverCounts; heard: string[]; isListening: boolean } {
  let counts = NO_COUNTS;
  let isListening = false;
  const heard: string[] = [];
  for (const line of text.split("\n")) {
    isListening ||= driver.isListening(line);
    const next = driver.counts(line, counts);
    if (next !== undefined) counts = next;
    else if (!driver.isNoise(line)) heard.push(line);
  }
  return { counts, heard, isListening };
}

test("tcpdump's counts are read live and at its end", () => {
  const text = `tcpdump: listening on v0, link-type EN10MB (Ethernet), snapshot length 262144 bytes
tcpdump: 3 packets captured, 15 packets received by filter, 0 packets dropped by kernel
1 packet captured
16 packets received by filter
2 packets dropped by kernel
4 packets dropped by interface
`;
  const live = read(tcpdump, text.split("\n").slice(0, 2).join("\n"));
  assert.deepEqual(live.counts, { captured: 3, received: 15, droppedByKernel: 0, droppedByInterface: 0 });
  assert.equal(live.isListening, true);
  const { counts, heard } = read(tcpdump, text);
  assert.deepEqual(counts, { captured: 1, received: 16, droppedByKernel: 2, droppedByInterface: 4 });
  assert.deepEqual(heard, []);
});

test("dumpcap's counts are read at its end, what it threw away among the drops", () => {
  const { counts, heard } = read(
    dumpcap,
    `Capturing on 'v0'
File: -
Packets captured: 5
Packets received/dropped on interface 'v0': 5/9 (pcap:4/dumpcap:2/flushed:1/ps_ifdrop:2) (100.0%)
`,
  );
  assert.deepEqual(counts, { captured: 5, received: 12, droppedByKernel: 7, droppedByInterface: 2 });
  assert.deepEqual(heard, []);
});

test("what was seen is what was decoded and dropped, also what was still on its way at the end", () => {
  const driver = { captured: 90, received: 100, droppedByKernel: 7, droppedByInterface: 1 };
  for (const isOver of [false, true]) {
    const counts = countsOfRun({ decoded: 88, own: 3, driver, isOver, isCountedTwice: false });
    const { seen_packets, decoded_packets, dropped_by_kernel_packets, dropped_by_interface_packets } = counts;
    const dropped = dropped_by_kernel_packets + dropped_by_interface_packets + counts.dropped_at_end_packets;
    assert.equal(seen_packets, decoded_packets + dropped);
    // 100 were received, of which 7 were dropped: 93 could have come.
    assert.equal(counts.dropped_at_end_packets, isOver ? 5 : 0);
  }
  // On the loopback interface the kernel counts each twice: only the program's own count says something.
  const loopback = countsOfRun({ decoded: 88, own: 0, driver, isOver: true, isCountedTwice: true });
  assert.equal(loopback.dropped_at_end_packets, 2);
});

test("a missing privilege, interface or program is said with its remedy", () => {
  const remedies = [
    [tcpdump, "tcpdump: lo: You don't have permission to perform this capture on that device", /setcap cap_net_raw/],
    [dumpcap, 'dumpcap: You do not have permission to capture on device "lo".', /wireshark/],
    [tcpdump, "tcpdump: nope: No such device exists", /no interface eth7/],
    [tcpdump, "tcpdump: can't parse filter expression: syntax error", /pcap-filter/],
    [dumpcap, "dumpcap: Invalid capture filter \"prot 1\" for interface 'lo'.", /pcap-filter/],
  ] as const;
  for (const [driver, line, wanted] of remedies) assert.match(driver.remedy(line, "eth7") ?? "", wanted);
  assert.throws(() => chooseDriver("dumpcap", () => undefined), /dumpcap is not installed: install it \(Debian/);
  assert.throws(() => chooseDriver("auto", () => undefined), /tcpdump is not installed/);
});

test("the first driver that is installed is taken, by its path, with the options as arguments", () => {
  const changed = { snap_length: 96, promiscuous: false, buffer_bytes: 4_194_304, filter: "-x or udp" };
  const options = { ...packetDefaults(), ...changed };
  const only = (name: string) => (wanted: string) => (wanted === name ? `/opt/${name}` : undefined);
  const first = chooseDriver("auto", only("tcpdump")).argv(options, "eth0");
  assert.equal(
    first.join(" "),
    "/opt/tcpdump -i eth0 -n -U -w - --time-stamp-precision=nano -s 96 -B 4096 -p -- -x or udp",
  );
  assert.equal(first.at(-1), "-x or udp", "the filter is one argument and no option");
  const second = chooseDriver("auto", only("dumpcap")).argv(options, "eth0");
  assert.equal(second.join(" "), "/opt/dumpcap -i eth0 -q -w - -s 96 -B 4 -p -f -x or udp");
});

test("cap's options become one argument, and its missing package is said with how to install it", () => {
  const options = { ...packetDefaults(), snap_length: 96, filter: "udp" };
  const driver = chooseDriver("cap", (name) => (name === "cap" ? "/somewhere/cap.js" : undefined));
  const [node, program, request] = driver.argv(options, "eth0");
  assert.equal(node, process.execPath);
  assert.match(program!, /capture-process\.js$/);
  const wanted = { interfaceName: "eth0", snapLength: 96, bufferBytes: 16_777_216, filter: "udp" };
  assert.deepEqual(JSON.parse(request!), wanted);
  assert.throws(
    () => chooseDriver("cap", () => undefined),
    /cap is not installed: .*npm install .*cap@0\.2\.1.*libpcap-dev/,
  );
  assert.match(capRemedy("/usr/lib/node_modules/wiretail"), /^npm install -g cap@/);
  assert.match(capRemedy("/srv/app/node_modules/wiretail"), /^cd \/srv\/app && npm install cap@/);
  assert.match(capRemedy("/srv/wiretail"), /^cd \/srv\/wiretail && npm install --no-save cap@/);
});

test("cap's drops are estimated, and with a filter unknown", () => {
  const driver = chooseDriver("cap", () => "/somewhere");
  assert.equal(driver.drops?.(packetDefaults()), "estimated");
  assert.equal(driver.drops?.({ ...packetDefaults(), filter: "udp" }), "unknown");
  assert.ok(!("drops" in tcpdump));
  const { counts, heard, isListening } = read(
    driver,
    `Warning: v0: no IPv4 address assigned - This may not actually work
cap: listening on v0, link type 1
cap: 7 packets captured, 2 packets dropped by kernel, 1 packets dropped by interface
`,
  );
  assert.deepEqual(counts, { captured: 7, received: undefined, droppedByKernel: 2, droppedByInterface: 1 });
  assert.deepEqual([heard, isListening], [[], true]);
  assert.match(driver.remedy("cap: v0: socket: Operation not permitted", "v0") ?? "", /CAP_NET_RAW/);
  assert.match(driver.remedy("cap: v0: the package cannot be loaded: x", "v0") ?? "", /npm install/);
});
