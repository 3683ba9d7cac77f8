import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeDns } from "../../../../src/packet/dns/message.ts";
import { address, join, u16, u32, u8 } from "../../../support/frames.ts";

const name = (text: string): Buffer =>
  join(...text.split(".").map((label) => join([label.length], Buffer.from(label))), [0]);
const header = (flags: number, ...counts: [number, number, number, number]): Buffer => u16(0x1234, flags, ...counts);
const record = (owner: Uint8Array, type: number, data: Uint8Array, ttl = 60, recordClass = 1): Buffer =>
  join(owner, u16(type, recordClass), u32(ttl), u16(data.length), data);
const pointer = (at: number): Buffer => u16(0xc000 | at);
const decode = (message: Buffer): ReturnType<typeof decodeDns> =>
  decodeDns(join([9], message, [9]), 1, 1 + message.length);

describe("a DNS message", () => {
  it("that asks has its question and flags", () => {
    assert.deepEqual(decode(join(header(0x0120, 1, 0, 0, 1), name("www.example.com"), u16(28, 1), Buffer.alloc(11))), {
      ...{ id: 0x1234, type: "query", op_code: "QUERY", response_code: undefined, header_flags: ["RD", "AD"] },
      question: { name: "www.example.com", type: "AAAA", class: "IN" },
      ...{ answers: undefined, resolved_ip: undefined },
      ...{ questions_count: 1, answers_count: 0, authorities_count: 0, additionals_count: 1 },
    });
  });

  it("that answers has its records, with compressed names", () => {
    const question = join(name("www.example.com"), u16(1, 1));
    const answers = [
      record(pointer(12), 5, join([3], Buffer.from("web"), pointer(16))),
      record(pointer(12), 1, address("192.0.2.1")),
      record(pointer(12), 28, address("2001:db8::1")),
      record(pointer(16), 15, join(u16(10), [2], Buffer.from("mx"), pointer(16))),
      record(pointer(16), 16, join([3], Buffer.from("a b"), [1], Buffer.from("c"))),
      record(name("_x._tcp.local"), 33, join(u16(1, 2, 8080), name("host.local")), 120, 0x8001),
      record(u8(0), 999, u8(1, 2, 3)),
    ];
    const message = decode(join(header(0x8583, 1, answers.length, 0, 0), question, ...answers))!;
    assert.deepEqual(
      [message.type, message.response_code, message.header_flags],
      ["answer", "NXDOMAIN", ["AA", "RD", "RA"]],
    );
    assert.deepEqual(message.resolved_ip, ["192.0.2.1", "2001:db8::1"]);
    assert.deepEqual(
      message.answers!.map((each) => [each.name, each.type, each.class, each.ttl, each.data]),
      [
        ["www.example.com", "CNAME", "IN", 60, "web.example.com"],
        ["www.example.com", "A", "IN", 60, "192.0.2.1"],
        ["www.example.com", "AAAA", "IN", 60, "2001:db8::1"],
        ["example.com", "MX", "IN", 60, "10 mx.example.com"],
        ["example.com", "TXT", "IN", 60, "a b c"],
        ["_x._tcp.local", "SRV", "IN", 120, "1 2 8080 host.local"],
        [".", "TYPE999", "IN", 60, undefined],
      ],
    );
  });

  it("has names with strange bytes escaped, so that no two names look alike", () => {
    const message = decode(join(header(0x0100, 1, 0, 0, 0), [4, 0x61, 0x2e, 0x5c, 0x0a, 0], u16(1, 1)));
    assert.equal(message!.question!.name, "a\\.\\\\\\010");
  });

  it("with a name that points to itself, forward, or for ever is malformed", () => {
    for (const loop of [
      pointer(12),
      pointer(14),
      join([1, 0x61], pointer(12)),
      pointer(0x3fff),
      join([63], Buffer.alloc(10)),
      u8(0x40, 1, 0),
    ])
      assert.equal(decode(join(header(0x0100, 1, 0, 0, 0), loop, u16(1, 1))), undefined, loop.toString("hex"));
    const long = join(...Array.from({ length: 5 }, () => join([63], Buffer.alloc(63, 97))), [0]);
    assert.equal(decode(join(header(0x0100, 1, 0, 0, 0), long, u16(1, 1))), undefined, "more than 255 bytes");
  });

  it("made of thousands of names that point to the one before takes no long time", () => {
    const count = 10_000;
    const parts = Array.from({ length: count }, (_, i) =>
      join(i === 0 ? u8(0, 0) : pointer(Math.min(12 + 6 * (i - 1), 0x3fff)), u16(1, 1)),
    );
    const began = performance.now();
    decode(join(header(0x0100, count, 0, 0, 0), u8(0), u16(1, 1), ...parts));
    assert.ok(performance.now() - began < 1000);
  });

  it("that is cut anywhere is malformed", () => {
    const whole = join(
      header(0x8180, 1, 1, 0, 0),
      name("a.b"),
      u16(1, 1),
      record(pointer(12), 1, address("192.0.2.1")),
    );
    assert.ok(decode(whole));
    for (let length = 0; length < whole.length; length++) assert.equal(decode(whole.subarray(0, length)), undefined);
  });
});
