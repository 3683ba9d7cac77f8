import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assertAgreesWithTshark } from "../../support/agreement.ts";
import { assertFieldsAgree } from "../../support/field-agreement.ts";
import { assertFlowsAgree } from "../../support/flows.ts";
import { exoticFrames, pcap, PcapngBlocks } from "../../support/frames.ts";
import * as frames from "../../support/frames.ts";
import { randomBelow } from "../../support/random.ts";
import { assertTransactionsAgree } from "../../support/transaction-agreement/index.ts";
import { captureTraffic } from "../../support/namespaces.ts";

let folder: string;
before(() => (folder = mkdtempSync(join(tmpdir(), "wiretail-packets-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("every packet agrees with tshark", () => {
  it("of kinds that programs rarely send, on every link type", () => {
    const all = exoticFrames().filter(({ linkType }) => linkType !== 147);
    for (const linkType of new Set(all.map((each) => each.linkType))) {
      const file = join(folder, `link-${linkType}.pcap`);
      writeFileSync(
        file,
        pcap(
          all.filter((each) => each.linkType === linkType).map(({ frame }) => frame),
          { linkType },
        ),
      );
      assertAgreesWithTshark(file);
      assertFieldsAgree(file);
      // Flows of different VLANs are different flows for us, but one conversation for tshark.
      if (linkType !== 1 && linkType !== 113) assertFlowsAgree(file);
    }
    // Flows of tunnels are those of their ends for us; of malformed packets and pieces tshark has none or others.
    const differ = /gre|in ip|vxlan|short|cut|bad|vlan|qinq|fragment/;
    const plain = all.filter(({ linkType, name }) => linkType === 1 && !differ.test(name));
    const file = join(folder, "plain.pcap");
    writeFileSync(file, pcap(plain.map(({ frame }) => frame)));
    assert.ok(assertFlowsAgree(file) >= 15);
  });

  it("in pcapng with nanoseconds, several interfaces and sections", () => {
    const [little, big] = [new PcapngBlocks(true), new PcapngBlocks(false)];
    const { frame } = exoticFrames()[0]!;
    const file = join(folder, "mixed.pcapng");
    const parts = [
      ...[little.section(), little.interface(1, 0, little.option(9, [9])), little.interface(101, 0)],
      ...[little.packet(0, 1_700_000_000_123_456_789n, frame), little.packet(1, 5n, frames.ip4(17, frames.udp(1, 2)))],
      ...[big.section(), big.interface(1, 0, big.option(9, [0x8a])), big.packet(0, 1_700_000_000n << 10n, frame)],
    ];
    writeFileSync(file, frames.join(...parts));
    assert.deepEqual([...assertAgreesWithTshark(file).values()], [2, 1]);
    assertFlowsAgree(file);
  });

  it("with NTP times of every age: programs send random ones", () => {
    // Seconds since 1900, or 2036, and 2^-32 of them: the ends of eras, 1970, and what chronyd might draw.
    // Not the very beginning of 1970, which tshark takes for no time.
    const seconds = [1, 0x7fffffff, 0x80000000, 0x83aa7e7f, 0x83aa7e81, 0xee000000, 0xffffffff];
    const times = seconds.flatMap((each) => [0, 1, 0x00418937, 0x80000000, 0xffffffff].map((part) => [each, part]));
    const random = randomBelow(20261122);
    while (times.length < 500) times.push([random(2 ** 32), random(2 ** 32)]);
    const none = Buffer.alloc(8);
    const message = (mode: number, origin: Buffer, time: Buffer): Buffer =>
      frames.join(frames.u8(0x20 | mode, 5, 6, 0xe6), Buffer.alloc(12), time, origin, time, time);
    const exchanges = times.map(([second, part], i) => {
      const [port, time] = [20_000 + i, frames.u32(second!, part!)];
      const [asked, told] = [message(3, none, time), message(4, time, time)];
      return [frames.udp(port, 123, asked), frames.udp(123, port, told)] as const;
    });
    const [client, server] = ["10.0.0.1", "10.0.0.2"];
    const sent = exchanges.flatMap(([asked, told]) => [
      frames.eth(0x0800, frames.ip4(17, asked, { source: client, destination: server })),
      frames.eth(0x0800, frames.ip4(17, told, { source: server, destination: client })),
    ]);
    const file = join(folder, "ntp.pcap");
    writeFileSync(file, pcap(sent));
    assert.equal(assertTransactionsAgree(file).get("ntp"), times.length);
  });

  describe("of real programs", () => {
    let captures: { readonly veth: string; readonly any: string };
    before(async () => (captures = await captureTraffic(folder)));

    it("on an interface", () => {
      const counts = assertAgreesWithTshark(captures.veth);
      for (const stack of [
        "arp",
        "ip:icmp:data",
        "ip:udp:dns",
        "ip:udp:dhcp",
        "ip:tcp",
        "ip:tcp:http",
        "ip:tcp:tls",
        "ip:tcp:dns",
        "ip:udp:ntp",
        "ipv6:icmpv6",
        "ipv6:udp:dns",
        "ipv6:tcp",
      ])
        assert.ok((counts.get(`eth:ethertype:${stack}`) ?? 0) >= 2, `${stack}: ${JSON.stringify([...counts])}`);
    });

    it("on all interfaces at once", () => {
      const counts = assertAgreesWithTshark(captures.any);
      assert.ok((counts.get("sll:ethertype:ip:tcp") ?? 0) >= 5, JSON.stringify([...counts]));
    });

    it("and their flows with its conversations", () => {
      assert.ok(assertFlowsAgree(captures.veth) >= 15);
      assert.ok(assertFlowsAgree(captures.any) >= 10);
    });

    it("and where each field lies", () => {
      for (const file of [captures.veth, captures.any]) {
        const seen = assertFieldsAgree(file);
        const messages = ["dns.qry.name", "dns.a", "dhcp.option.value", "http.request.uri", "http.response.line"];
        const hello = ["tls.handshake.extensions_server_name", "tls.handshake.ciphersuite"];
        for (const name of ["ip.ttl", "tcp.seq", "icmp.seq", "arp.src.proto_ipv4", ...messages, ...hello])
          assert.ok((seen.get(name) ?? 0) > 0, `${name} in ${file}`);
      }
    });

    it("and their questions and answers with those that it pairs, field for field", () => {
      for (const file of [captures.veth, captures.any]) {
        const counts = assertTransactionsAgree(file);
        const least = { dns: 10, http: 15, tls: 3, dhcpv4: 2, icmp: 6, arp: 1, ntp: 1 };
        for (const [type, count] of Object.entries(least))
          assert.ok((counts.get(type) ?? 0) >= count, `${type}: ${JSON.stringify([...counts])}`);
      }
    });

    it("when the snap length cuts their headers", () => {
      for (const snapLength of [96, 60, 50, 40, 36]) {
        const file = join(folder, `snap-${snapLength}.pcap`);
        execFileSync("editcap", ["-F", "pcap", "-s", String(snapLength), captures.veth, file], { stdio: "ignore" });
        assertAgreesWithTshark(file);
        // Where TCP headers are cut, too, tshark has no conversations of them.
        if (snapLength === 96) assertFlowsAgree(file);
      }
    });
  });
});
