import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Conversation, transactionsOf } from "../../../support/conversation.ts";
import { address, eth, icmp, ip4, join, u16 } from "../../../support/frames.ts";
import { arpFor, datagram, dhcp, dhcpFrame, dns, echo, ntp } from "../../../support/messages.ts";

describe("DNS", () => {
  const ask = (id: number, name: string): Buffer => datagram(true, [4000, 53], dns(id, name));
  const answer = (id: number, name: string, code = 0): Buffer => datagram(false, [4000, 53], dns(id, name, code));
  const of = (...frames: Buffer[]): ReturnType<typeof transactionsOf> =>
    transactionsOf(frames.map((frame, ms) => ({ ms, frame })));

  it("that says that a name does not exist went well; that a server failed did not", () => {
    const codes = [0, 3, 2, 5].map((code) => of(ask(1, "a.test"), answer(1, "a.test", code)).documents[0]!);
    assert.deepEqual(
      codes.map(({ status, dns: { response_code } }) => [response_code, status]),
      [
        ["NOERROR", "OK"],
        ["NXDOMAIN", "OK"],
        ["SERVFAIL", "Error"],
        ["REFUSED", "Error"],
      ],
    );
  });

  it("answered for another name, as one that is forged, leaves the question open", () => {
    const { documents } = of(ask(1, "a.test"), answer(1, "evil.test"), answer(1, "A.TEST"));
    assert.deepEqual(
      documents.map(({ resource, tags }) => [resource, tags]),
      [
        ["evil.test", ["no_request"]],
        ["A.TEST", undefined],
      ],
    );
  });

  it("reports a question whose id is used for another one", () => {
    const { documents } = of(ask(1, "a.test"), ask(1, "b.test"), answer(1, "b.test"));
    assert.deepEqual(
      documents.map(({ resource, tags }) => [resource, tags]),
      [
        ["a.test", ["unanswered"]],
        ["b.test", undefined],
      ],
    );
    assert.match(documents[0]!.error.message, /same id/);
  });

  it("over TCP is paired in any order, however the messages are cut", () => {
    const framed = (message: Buffer): Buffer => join(u16(message.length), message);
    for (const size of [1, 7, 100]) {
      const talk = new Conversation(53).open();
      talk.ask(join(framed(dns(1, "a.test")), framed(dns(2, "b.test"))), size);
      talk.answer(join(framed(dns(2, "b.test", 0)), framed(dns(1, "a.test", 3))), size).close();
      const { documents } = transactionsOf(talk.frames);
      assert.deepEqual(
        documents.map((each) => [each.resource, each.dns.response_code, each.client!.port]),
        [
          ["b.test", "NOERROR", 40_000],
          ["a.test", "NXDOMAIN", 40_000],
        ],
      );
    }
  });

  it("of LLMNR is answered by whoever has the name", () => {
    const asked = eth(
      0x0800,
      ip4(17, datagram(true, [4000, 5355], dns(1, "pc")).subarray(34), { destination: "224.0.0.252" }),
    );
    const { documents } = of(asked, datagram(false, [4000, 5355], dns(1, "pc", 0)));
    assert.deepEqual(
      [documents.length, documents[0]!.server!.ip, documents[0]!.network.protocol],
      [1, "10.0.0.2", "llmnr"],
    );
  });

  it("that contradicts itself is counted", () => {
    assert.equal(of(datagram(true, [4000, 53], Buffer.alloc(12, 0xff))).counters["transactions_malformed_messages"], 1);
  });
});

describe("DHCP", () => {
  const ask = (type: Parameters<typeof dhcp>[0], ...more: [number?]): Buffer => dhcpFrame(true, dhcp(type, ...more));
  const answer = (type: Parameters<typeof dhcp>[0], options?: Parameters<typeof dhcp>[2]): Buffer =>
    dhcpFrame(false, dhcp(type, undefined, options));
  const of = (...frames: Buffer[]): ReturnType<typeof transactionsOf> =>
    transactionsOf(frames.map((frame, ms) => ({ ms, frame })));

  it("of a lease is two pairs of one transaction id: discover and offer, request and ack", () => {
    const { documents } = of(ask("discover"), answer("offer"), ask("request"), answer("ack"));
    assert.deepEqual(
      documents.map(({ method, dhcpv4, resource, server }) => [
        method,
        dhcpv4.option["message_type"],
        resource,
        server?.ip,
      ]),
      [
        ["discover", "offer", "10.0.0.9", "10.0.0.2"],
        ["request", "ack", "10.0.0.9", "10.0.0.2"],
      ],
    );
  });

  it("refused by the server went wrong, for the reason that the server says", () => {
    const { documents } = of(ask("request"), answer("nak", [[56, Buffer.from("wrong network")]]));
    assert.deepEqual([documents[0]!.status, documents[0]!.error.message], ["Error", "wrong network"]);
  });

  it("answered by several servers is paired with the first, and the others are counted", () => {
    const { documents, counters } = of(ask("discover"), answer("offer"), answer("offer"));
    assert.deepEqual([documents.length, counters["transactions_repeated_questions"]], [1, 1]);
  });

  it("with rapid commit is answered at once", () => {
    const { documents } = of(ask("discover"), answer("ack"));
    assert.deepEqual([documents.length, documents[0]!.method, documents[0]!.status], [1, "discover", "OK"]);
  });

  it("that gives an address back, or refuses it, needs no answer", () => {
    const { documents } = of(ask("release"), ask("decline"));
    assert.deepEqual(
      documents.map(({ method, status, tags }) => [method, status, tags]),
      [
        ["release", "OK", undefined],
        ["decline", "OK", undefined],
      ],
    );
  });

  it("keeps what the client said where the server does not say it", () => {
    const asked = dhcpFrame(true, dhcp("request", undefined, [[12, Buffer.from("laptop")]]));
    const { documents } = of(asked, answer("ack", [[1, address("255.255.255.0")]]));
    const { hostname, subnet_mask } = documents[0]!.dhcpv4.option;
    assert.deepEqual([hostname, subnet_mask], ["laptop", "255.255.255.0"]);
  });
});

describe("ICMP", () => {
  it("errors answer the question that they quote", () => {
    const asked = echo(4, true, 9);
    const quoting = icmp(3, 1, join(u16(0, 0), asked.subarray(14, 42)));
    const error = eth(0x0800, ip4(1, quoting, { source: "10.0.0.254", destination: "10.0.0.1" }));
    const { documents } = transactionsOf([
      { ms: 0, frame: asked },
      { ms: 4, frame: error },
    ]);
    const [found] = documents;
    assert.deepEqual([documents.length, found!.status, found!.event.duration], [1, "Error", 4_000_000]);
    assert.deepEqual([found!.error.message, found!.server!.ip], ["DestinationUnreachable", "10.0.0.2"]);
  });
});

describe("ARP", () => {
  it("that tells its own address unasked announces it", () => {
    const { documents } = transactionsOf([{ ms: 0, frame: arpFor(true, 1, "10.0.0.1") }]);
    assert.deepEqual([documents[0]!.method, documents[0]!.status, documents[0]!.tags], ["announce", "OK", undefined]);
  });
});

describe("NTP", () => {
  it("with stratum 0 went wrong, for the reason that the server says", () => {
    const { documents } = transactionsOf([
      { ms: 0, frame: datagram(true, [4000, 123], ntp(true, 1)) },
      { ms: 1, frame: datagram(false, [4000, 123], ntp(false, 1, 0, Buffer.from("RATE"))) },
    ]);
    assert.deepEqual([documents[0]!.status, documents[0]!.error.message], ["Error", "the server does not serve: RATE"]);
  });
});
