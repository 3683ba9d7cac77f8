import assert from "node:assert/strict";
import { it } from "node:test";
import { formatIp4, formatIp6, formatMac } from "../../../src/packet/address.ts";
import { address, join, mac, u16, u8 } from "../../support/frames.ts";

it("IPv6 addresses are written as RFC 5952 wants them", () => {
  for (const text of [
    "::",
    "::1",
    "1::",
    "2001:db8::1",
    "2001:db8:0:1:1:1:1:1",
    "2001:db8::1:0:0:1",
    "2001:0:0:1::1",
    "fe80::200:86ff:fe05:80da",
    "1:2:3:4:5:6:7:8",
    "::2:3:4:5:6:7:8".replace("::", "0:"),
    "1:2:3:4:5:6:7:0",
  ])
    assert.equal(formatIp6(address(text), 0), text);
  assert.equal(formatIp6(join(Buffer.alloc(10), u16(0xffff), u8(192, 0, 2, 1)), 0), "::ffff:192.0.2.1");
});

it("an address is read where it stands", () => {
  assert.equal(formatIp4(u8(9, 192, 0, 2, 255), 1), "192.0.2.255");
  assert.equal(formatIp6(join([9], address("2001:db8::1")), 1), "2001:db8::1");
  assert.equal(formatMac(join([9], mac("00:00:5e:00:53:23")), 1), "00-00-5E-00-53-23");
});
