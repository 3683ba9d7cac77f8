import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { packetFields, readTshark } from "../../src/codec/tshark/packet.ts";
import { readPairs, isPairs, type PairValue } from "../../src/codec/tshark/pairs.ts";
import { WiretailError } from "../../src/core/error.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 3, numRuns: 1_000_000 };
const RECORD =
  '{"timestamp":"1795304214403","_source":{"layers":{"frame":{"frame.time_epoch":"1.5","frame.protocols":"eth:ip:ipv6:udp:dns:icmp"},"ip":{"ip.src":"1"},"ip":{"src":"2","ip_ip_ttl":"3"},"dns":{"dns.flags":"0x8180","dns.count.answers":"2","Answers":{"dns.resp.name":"a","dns.resp.type":"1","dns.a":["9"]}},"bootp":{"bootp.type":"1","bootp.option.dhcp":"2"},"tcp":{"tcp.flags":"0x12"}}}}';

it("any text is a record, no packet, or refused with a reason; nothing else is thrown", () => {
  const piece = fc.constantFrom(
    ...'{}[]",: \n\\u0'.split(""),
    '"layers":{',
    '"frame":',
    "true",
    "null",
    "-1e5",
    "\ud800",
  );
  const broken = fc
    .tuple(fc.nat(RECORD.length), fc.nat(20), fc.array(piece, { maxLength: 6 }))
    .map(([at, gone, put]) => RECORD.slice(0, at) + put.join("") + RECORD.slice(at + gone));
  const text = fc.oneof(
    broken,
    fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join("")),
    fc.string(),
  );
  fc.assert(
    fc.property(text, fc.boolean(), (each, legacy) => {
      let record;
      try {
        record = readTshark(each);
      } catch (error) {
        assert.ok(error instanceof WiretailError, String(error));
        return;
      }
      if (record !== undefined) JSON.stringify(packetFields(record, legacy));
    }),
    limits,
  );
});

it("layers of any shape give fields, whatever their names and values", () => {
  const name = fc.constantFrom(
    "frame",
    "ip",
    "ip.src",
    "ip_ip_src",
    "src",
    "tcp",
    "dns",
    "mdns",
    "bootp",
    "dhcp_type",
    "tls",
    "constructor",
    "__proto__",
  );
  const value = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.string(),
      fc.constant(true),
      fc.constant(null),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(name, tie("tree"), { maxKeys: 6 }),
    ),
  })).tree;
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 8 }), (layers) => {
      JSON.stringify(packetFields(readTshark(JSON.stringify({ layers }))!, false));
    }),
    limits,
  );
});

it("what JSON.parse reads is read the same, with repeated names kept", () => {
  const plain = (value: PairValue): unknown => {
    if (Array.isArray(value)) return (value as PairValue[]).map(plain);
    if (!isPairs(value)) return value;
    return Object.fromEntries(value.names.map((each, i) => [each, plain(value.values[i]!)]));
  };
  // Numbers stay the text that they are.
  const texts = (value: unknown): unknown =>
    typeof value === "number"
      ? JSON.stringify(value)
      : Array.isArray(value)
        ? value.map(texts)
        : typeof value === "object" && value !== null
          ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, texts(each)]))
          : value;
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 2, "\t"), (object, indent) => {
      const text = JSON.stringify(object, null, indent);
      const { pairs, end } = readPairs(text, 0);
      assert.equal(end, text.length);
      assert.deepEqual(plain(pairs), texts(JSON.parse(text)));
    }),
    limits,
  );
});
