import assert from "node:assert/strict";
import { it } from "node:test";
import { TimeScale } from "../../../../src/packet/capture/time-scale.ts";

const TIMES = [
  0n,
  1n,
  999_999n,
  1_700_000_000_123_456n,
  1_700_000_000_123_456_789n,
  (1n << 53n) + 1n,
  (1n << 64n) - 1n,
];

/** By the definition, with integers of any size. */
function expected(units: bigint, perSecond: bigint): [number, number] {
  const seconds = units / perSecond;
  return [Number(seconds), Number(((units - seconds * perSecond) * 1_000_000_000n) / perSecond)];
}

it("every decimal resolution is exact", () => {
  for (let exponent = 0; exponent <= 20; exponent++) {
    const scale = new TimeScale(exponent, 0);
    for (const time of TIMES) {
      scale.convert(Number(time >> 32n), Number(time & 0xffffffffn));
      const want = expected(time, 10n ** BigInt(exponent));
      assert.deepEqual([scale.seconds, scale.nanoseconds], want, `${time} of 10^-${exponent} s`);
    }
  }
});

it("every binary resolution is exact", () => {
  for (let exponent = 0; exponent <= 64; exponent++) {
    const scale = new TimeScale(0x80 | exponent, 0);
    for (const time of TIMES) {
      scale.convert(Number(time >> 32n), Number(time & 0xffffffffn));
      assert.deepEqual(
        [scale.seconds, scale.nanoseconds],
        expected(time, 1n << BigInt(exponent)),
        `${time} ${exponent}`,
      );
    }
  }
});

it("the offset of an interface is added, a negative one too", () => {
  const scale = new TimeScale(6, -10);
  scale.convert(0, 3_000_001);
  assert.deepEqual([scale.seconds, scale.nanoseconds], [-7, 1000]);
});
