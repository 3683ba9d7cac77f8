import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatIsoTime, parseIsoTime } from "../../../src/core/time.ts";

test("every time to the microsecond is read back as it was written", () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_000 }), fc.nat(999), (ms, micros) => {
      assert.equal(parseIsoTime(formatIsoTime(ms)), ms);
      assert.equal(formatIsoTime(ms), new Date(ms).toISOString());
      if (Math.abs(ms) > 2 ** 43) return; // beyond, a double does not hold microseconds
      const time = ms + micros / 1000;
      assert.equal(formatIsoTime(parseIsoTime(formatIsoTime(time))), formatIsoTime(time));
      assert.ok(Math.abs(parseIsoTime(formatIsoTime(time)) - time) < 0.001);
    }),
  );
});

test("a time with a zone, a comma, a space or without a zone is read; what is no time is NaN", () => {
  const noon = Date.UTC(2026, 10, 21, 12);
  for (const text of [
    "2026-11-21T12:00:00Z",
    "2026-11-21 14:00:00,000+02:00",
    "2026-11-21T12:00",
    "2026-11-21T07:00-05",
  ]) {
    assert.equal(parseIsoTime(text), noon, text);
  }
  for (const text of [
    "",
    "noon",
    "2026-13-01",
    "2026-02-29T00:00:00Z",
    "2026-11-21T12:61:00Z",
    "2026-11-21T12:00:00Zz",
  ]) {
    assert.ok(Number.isNaN(parseIsoTime(text)), text);
  }
});
