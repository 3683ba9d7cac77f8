import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { formatIp4, formatIp6 } from "../../../../src/packet/address.ts";
import { ipBytes } from "../../../../src/codec/ip.ts";

it("the bytes of an address are those that it was written of, however it is shortened", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.constantFrom(0, 4, 10, 14), (bytes, zeros) => {
      bytes.fill(0, 2, 2 + zeros);
      assert.deepEqual(ipBytes(formatIp6(bytes, 0)), bytes);
      assert.deepEqual(ipBytes(formatIp4(bytes, 0)), bytes.slice(0, 4));
    }),
    { numRuns: 200 },
  );
  assert.deepEqual(ipBytes("::ffff:192.0.2.1"), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1));
  assert.deepEqual(ipBytes("1::"), Uint8Array.of(0, 1, ...new Uint8Array(14)));
  for (const wrong of ["", "example.org", "10.0.0", "::1::", "10.0.0.0/8"]) assert.equal(ipBytes(wrong), undefined);
});
