import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileTime, type TimeZone } from "../../../src/codec/time-range.ts";

const NOW = Date.parse("2026-11-21T12:34:56.789Z");
function span(text: string, zone: TimeZone = "utc"): [string, string] | undefined {
  const found = compileTime(text, zone, NOW - 1000)?.(NOW);
  return found === undefined ? undefined : [new Date(found.fromMs).toISOString(), new Date(found.toMs).toISOString()];
}

describe("compileTime", () => {
  const cases: [text: string, from: string, to?: string][] = [
    ["15m", "2026-11-21T12:19:56.789Z"],
    ["-15m", "2026-11-21T12:19:56.789Z"],
    ["1h30m", "2026-11-21T11:04:56.789Z"],
    ["0s", "2026-11-21T12:34:56.789Z"],
    ["250ms", "2026-11-21T12:34:56.539Z"],
    ["2w", "2026-11-07T12:34:56.789Z"],
    ["now", "2026-11-21T12:34:56.789Z"],
    ["now-15m", "2026-11-21T12:19:56.789Z"],
    ["now+1d-1h", "2026-11-22T11:34:56.789Z"],
    ["now-1d/d", "2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z"],
    ["now/h", "2026-11-21T12:00:00.000Z", "2026-11-21T13:00:00.000Z"],
    ["now/w", "2026-11-16T00:00:00.000Z", "2026-11-23T00:00:00.000Z"],
    ["today", "2026-11-21T00:00:00.000Z", "2026-11-22T00:00:00.000Z"],
    ["yesterday", "2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z"],
    ["boot", "2026-11-21T12:34:55.789Z"],
    ["10:15", "2026-11-21T10:15:00.000Z", "2026-11-21T10:16:00.000Z"],
    ["9:15:30", "2026-11-21T09:15:30.000Z", "2026-11-21T09:15:31.000Z"],
    ["2026-11-21", "2026-11-21T00:00:00.000Z", "2026-11-22T00:00:00.000Z"],
    ["2026-11-21 10:00", "2026-11-21T10:00:00.000Z", "2026-11-21T10:01:00.000Z"],
    ["2026-11-21T10:00:30", "2026-11-21T10:00:30.000Z", "2026-11-21T10:00:31.000Z"],
    ["2026-11-21T10:00:30.25", "2026-11-21T10:00:30.250Z"],
    ["2026-11-21T10:00:00+02:00", "2026-11-21T08:00:00.000Z", "2026-11-21T08:00:01.000Z"],
    ["1795255200", "2026-11-21T10:00:00.000Z", "2026-11-21T10:00:01.000Z"],
    ["1795255200123", "2026-11-21T10:00:00.123Z", "2026-11-21T10:00:00.124Z"],
  ];
  for (const [text, from, to] of cases) it(`reads ${text}`, () => assert.deepEqual(span(text), [from, to ?? from]));

  for (const text of [
    "",
    "soon",
    "15",
    "15x",
    "now-",
    "now-15",
    "now/ms",
    "25:00",
    "2026-13-01",
    "2026-02-30",
    "m15",
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(span(text), undefined));
  }

  it("takes times without a zone in the local one where that is asked for", () => {
    const local = (y: number, mo: number, d: number, h = 0, mi = 0): string =>
      new Date(y, mo - 1, d, h, mi).toISOString();
    assert.deepEqual(span("2026-11-21T10:15", "local"), [local(2026, 11, 21, 10, 15), local(2026, 11, 21, 10, 16)]);
    assert.deepEqual(span("2026-11-21", "local"), [local(2026, 11, 21), local(2026, 11, 22)]);
    assert.deepEqual(span("2026-11-21T10:15Z", "local")![0], "2026-11-21T10:15:00.000Z");
    const d = new Date(NOW);
    assert.deepEqual(span("today", "local")![0], local(d.getFullYear(), d.getMonth() + 1, d.getDate()));
  });
});
