import assert from "node:assert/strict";
import { isIP } from "node:net";
import { it } from "node:test";
import fc from "fast-check";
import { isIp } from "../../../src/codec/ip.ts";

it("addresses are told from other text as the operating system's library tells them", () => {
  const octet = fc.oneof(fc.nat(300).map(String), fc.constantFrom("", "00", "01", "x"));
  const group = fc.oneof(fc.stringMatching(/^[0-9a-fA-F]{0,5}$/), fc.constantFrom("", "1.2.3.4", "::"));
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.array(octet, { minLength: 2, maxLength: 5 }).map((parts) => parts.join(".")),
    fc.array(group, { minLength: 1, maxLength: 9 }).map((parts) => parts.join(":")),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (each) => {
      if (each.includes("%")) return;
      assert.equal(isIp(each), isIP(each) !== 0, each);
    }),
    { numRuns: 20_000 },
  );
});
