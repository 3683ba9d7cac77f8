import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileTimeFormat, compileTimeFormats } from "../../../../src/codec/time/format.ts";
import { WiretailError } from "../../../../src/core/error.ts";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const compile = (format: string, zone?: string, now = NOW) => compileTimeFormat(format, { zone, now: () => now });
const iso = (ms: number): string => (Number.isNaN(ms) ? "NaN" : new Date(ms).toISOString());
const read = (format: string, text: string, zone?: string, now = NOW): string => iso(compile(format, zone, now)(text));

describe("time formats", () => {
  it("every directive reads what strptime would", () => {
    const rows: [format: string, text: string, expected: string][] = [
      ["%Y-%m-%d %H:%M:%S", "2019-12-11 20:47:14", "2019-12-11T20:47:14.000Z"],
      ["%F %T", "2019-12-11 20:47:14", "2019-12-11T20:47:14.000Z"],
      ["%D %R", "12/11/19 20:47", "2019-12-11T20:47:00.000Z"],
      ["%d/%b/%Y:%H:%M:%S %z", "11/Dec/2019:20:47:14 +0530", "2019-12-11T15:17:14.000Z"],
      ["%a, %d %b %Y %T %Z", "Wed, 11 Dec 2019 20:47:14 GMT", "2019-12-11T20:47:14.000Z"],
      ["%A %B %e %I:%M:%S %p %Y", "Wednesday December  1 12:05:09 AM 2019", "2019-12-01T00:05:09.000Z"],
      ["%r %y-%m-%d", "12:05:09 pm 68-1-2", "2068-01-02T12:05:09.000Z"],
      ["%p %I:%M %Y-%j", "PM 1:30 2020-366", "2020-12-31T13:30:00.000Z"],
      ["%y%m%d%H%M%S", "691231235960", "1970-01-01T00:00:00.000Z"],
      ["%Y-%m-%dT%H:%M:%S.%f%z", "2019-12-11T20:47:14.123456789Z", "2019-12-11T20:47:14.123Z"],
      ["%Y-%m-%dT%H:%M:%S,%L%z", "2019-12-11T20:47:14,285+02:00", "2019-12-11T18:47:14.285Z"],
      ["%s.%f", "1576097234.5", "2019-12-11T20:47:14.500Z"],
      ["%s.%f", "-1.5", "1969-12-31T23:59:58.500Z"],
      ["%s.%3f", "-0.250", "1969-12-31T23:59:59.750Z"],
      ["%b%n%d%t%Y 100%%", "dec \t 11  2019 100%", "2019-12-11T00:00:00.000Z"],
      ["%Y", "2019", "2019-01-01T00:00:00.000Z"],
      ["%H:%M:%S %Z %Y-%m-%d", "20:47:14 CEST 2019-07-11", "2019-07-11T18:47:14.000Z"],
    ];
    for (const [format, text, expected] of rows) assert.equal(read(format, text), expected, `${format} on ${text}`);
  });

  it("milliseconds padded to four digits are milliseconds, and 1000 of them is no time", () => {
    const parse = compile("%Y.%m.%d, %H:%M:%S.%4L UTC");
    assert.equal(iso(parse("2019.12.11, 20:47:14.0285 UTC")), "2019-12-11T20:47:14.285Z");
    assert.equal(iso(parse("2019.12.11, 20:47:14.0999 UTC")), "2019-12-11T20:47:14.999Z");
    assert.equal(parse("2019.12.11, 20:47:14.1000 UTC"), NaN);
    assert.equal(parse("2019.12.11, 20:47:14.285 UTC"), NaN);
    assert.equal(iso(parse("2019.12.11, 20:47:15.0001 UTC")), "2019-12-11T20:47:15.001Z");
  });

  it("microseconds are kept", () => {
    assert.equal(compile("%F %T.%f")("2019-12-11 20:47:14.123456"), Date.parse("2019-12-11T20:47:14Z") + 123.456);
    assert.equal(compile("epoch_us")("1576097234123456"), 1576097234123.456);
    assert.equal(compile("epoch_ns")("1576097234123456789"), 1576097234123.457);
  });

  it("a text that does not fit wholly, or names no day, is NaN", () => {
    const parse = compile("%Y-%m-%d %H:%M:%S");
    for (const text of [
      "",
      " 2019-12-11 20:47:14",
      "2019-12-11 20:47:14 ",
      "2019-02-29 00:00:00",
      "2019-13-01 00:00:00",
      "2019-00-01 00:00:00",
      "2019-12-11 24:00:00",
      "2019-12-11 20:60:00",
      "2019-12-11 20:47:61",
      "019-12-11 20:47:14",
      "2019-12-11T20:47:14",
    ]) {
      assert.equal(parse(text), NaN, text);
    }
    assert.equal(compile("%d %b %Y")("11 Dez 2019"), NaN);
    assert.equal(compile("%F %T %Z")("2019-12-11 20:47:14 CST"), NaN);
  });

  it("a failed text between two of one second changes neither", () => {
    const parse = compile("%s.%f");
    assert.equal(parse("100.5"), 100_500);
    assert.equal(parse("-7.x"), NaN);
    assert.equal(parse("100.25"), 100_250);
    const zoned = compile("%F %T.%f %z");
    assert.equal(iso(zoned("2019-12-11 20:47:14.5 +0100")), "2019-12-11T19:47:14.500Z");
    assert.equal(iso(zoned("2019-12-11 20:47:14.25 Z")), "2019-12-11T20:47:14.250Z");
    assert.equal(zoned("2019-12-11 20:47:14. Z"), NaN);
    assert.equal(iso(zoned("2019-12-11 20:47:14.75 -01")), "2019-12-11T21:47:14.750Z");
  });

  it("a named zone is applied where the time names none, and only there", () => {
    assert.equal(read("%F %T", "2019-07-01 12:00:00", "Europe/Madrid"), "2019-07-01T10:00:00.000Z");
    assert.equal(read("%F %T", "2019-12-01 12:00:00", "Europe/Madrid"), "2019-12-01T11:00:00.000Z");
    assert.equal(read("%F %T %z", "2019-12-01 12:00:00 +0000", "Europe/Madrid"), "2019-12-01T12:00:00.000Z");
    assert.equal(read("%F %T", "2019-12-01 12:00:00", "-03:30"), "2019-12-01T15:30:00.000Z");
    assert.equal(read("iso8601", "2019-12-01T12:00:00.5", "Asia/Kolkata"), "2019-12-01T06:30:00.500Z");
  });

  it("a reading that occurs twice is the first one, and one that never occurs lands after the gap", () => {
    const parse = compile("%F %T", "Europe/Madrid");
    assert.equal(iso(parse("2019-10-27 02:30:00")), "2019-10-27T00:30:00.000Z");
    assert.equal(iso(parse("2019-10-27 01:59:59")), "2019-10-26T23:59:59.000Z");
    assert.equal(iso(parse("2019-10-27 03:00:00")), "2019-10-27T02:00:00.000Z");
    assert.equal(iso(parse("2019-03-31 02:30:00")), "2019-03-31T01:30:00.000Z");
    assert.equal(iso(parse("2019-03-31 01:59:59")), "2019-03-31T00:59:59.000Z");
    assert.equal(iso(parse("2019-03-31 03:00:00")), "2019-03-31T01:00:00.000Z");
    assert.equal(read("%F %T", "2019-10-06 02:15:00", "Australia/Lord_Howe"), "2019-10-05T15:45:00.000Z");
  });

  it("a missing year is this year, or the last when that would be over 30 days ahead", () => {
    const format = "%b %e %H:%M:%S";
    assert.equal(read(format, "Nov 21 09:59:59"), "2026-11-21T09:59:59.000Z");
    assert.equal(read(format, "Dec 20 09:00:00"), "2026-12-20T09:00:00.000Z");
    assert.equal(read(format, "Dec 22 10:00:00"), "2025-12-22T10:00:00.000Z");
    assert.equal(
      read(format, "Jan  1 00:00:01", "UTC", Date.parse("2026-12-31T23:59:59Z")),
      "2027-01-01T00:00:01.000Z",
    );
    assert.equal(
      read(format, "Feb 29 00:00:00", "UTC", Date.parse("2024-03-01T00:00:00Z")),
      "2024-02-29T00:00:00.000Z",
    );
    assert.equal(read(format, "Feb 29 00:00:00"), "NaN");
  });

  it("a missing date is today, or yesterday when that would be over an hour ahead", () => {
    assert.equal(read("%H:%M:%S.%f", "09:03:39.489053"), "2026-11-21T09:03:39.489Z");
    assert.equal(read("%H:%M:%S.%f", "10:59:00.0"), "2026-11-21T10:59:00.000Z");
    assert.equal(read("%H:%M:%S.%f", "20:03:39.489053"), "2026-11-20T20:03:39.489Z");
  });

  it("the remembered text of a format without a year follows the clock", () => {
    let now = NOW;
    const parse = compileTimeFormat("%b %e", { now: () => now });
    assert.equal(iso(parse("Nov 21")), "2026-11-21T00:00:00.000Z");
    now += 365 * 86_400_000;
    assert.equal(iso(parse("Nov 21")), "2027-11-21T00:00:00.000Z");
  });

  it("epoch numbers take signs and fractions, and refuse what lies outside four-digit years", () => {
    assert.equal(compile("epoch_s")("1576097234.285"), 1576097234285);
    assert.equal(compile("epoch_s")("-1.5"), -1500);
    assert.equal(compile("epoch_ms")("1576097234285"), 1576097234285);
    for (const bad of ["", "-", ".", "1.", "1e3", "0x10", " 1", "1 ", "1576097234285", "1.2.3"])
      assert.equal(compile("epoch_s")(bad), NaN, bad);
    const either = compileTimeFormats(["epoch_s", "epoch_ms"], { now: () => NOW });
    assert.equal(either("1576097234"), either("1576097234000"));
  });

  it("ISO 8601 is read with every separator, precision and zone that logs use", () => {
    const same = "2019-12-11T20:47:14.285Z";
    for (const text of [
      "2019-12-11T20:47:14.285Z",
      "2019-12-11 20:47:14,285",
      "2019-12-11t20:47:14.285z",
      "2019-12-11T22:47:14.285+02:00",
      "2019-12-11T22:47:14.285000+0200",
      "2019-12-11T19:47:14.285-01",
      "2019-12-11 20:47:14.285 UTC",
      "2019-12-11 20:47:14.285 +0000",
    ]) {
      assert.equal(read("iso8601", text), same, text);
    }
    assert.equal(read("iso8601", "2019-12-11T20:47"), "2019-12-11T20:47:00.000Z");
    assert.equal(read("iso8601", "2019-12-11T20:47Z"), "2019-12-11T20:47:00.000Z");
    assert.equal(read("iso8601", "2019-12-11"), "2019-12-11T00:00:00.000Z");
    assert.equal(read("iso8601", "2019-12-11T24:00:00Z"), "2019-12-12T00:00:00.000Z");
    for (const bad of [
      "2019-12-11T",
      "2019-12-11T20",
      "2019-02-30",
      "2019-12-11T20:47:14.",
      "2019-12-11T20:47:14 CET",
      "2019-12-11T24:00:01Z",
      "20191211",
    ]) {
      assert.equal(read("iso8601", bad), "NaN", bad);
    }
  });

  it("a bad format is refused with the position of the fault", () => {
    const rows: [format: string, message: RegExp][] = [
      ["", /no directive at position 1/],
      ["%Y-%Q", /unknown directive %Q .* at position 4/],
      ["%Y-%m-%d %", /position 10/],
      ["%Y %4S", /a number of digits goes only with f and L.*position 4/],
      ["%I:%M", /%I needs %p/],
      ["%H:%M %p", /%p goes with %I/],
      ["%H:%S", /%S needs minutes .*position 4/],
      ["%Y-%m %Y", /second time at position 7/],
      ["%d %H:%M", /needs a month/],
      ["%s%L", /takes all digits.*position 1/],
      ["%a", /neither a date nor a time/],
      ["ISO8601", /no directive.*not a named format/],
    ];
    for (const [format, message] of rows) {
      assert.throws(
        () => compile(format),
        (error: unknown) =>
          error instanceof WiretailError && error.code === "WT_FORMAT_INVALID" && message.test(error.message),
        format,
      );
    }
    assert.throws(() => compile("%F", "Mars/Olympus"), /unknown time zone "Mars\/Olympus"/);
  });
});
