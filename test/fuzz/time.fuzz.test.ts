import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { compileTimeFormat } from "../../src/codec/time/format.ts";
import { WiretailError } from "../../src/core/error.ts";
import { formatIsoTime, parseIsoTime } from "../../src/core/time.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 4, numRuns: 1_000_000 };
const NOW = Date.parse("2026-11-21T10:00:00Z");
const DIRECTIVES = "Y y m d e b B a A H I M S p z Z f L s j n t T F D R r % k l 3f 4L 6f"
  .split(" ")
  .map((d) => "%" + d);
const format = fc
  .array(fc.oneof(fc.constantFrom(...DIRECTIVES), fc.constantFrom(" ", "-", ":", ".", "T", "é", "1")), {
    maxLength: 12,
  })
  .map((parts) => parts.join(""));
const compile = (text: string) => {
  try {
    return compileTimeFormat(text, { now: () => NOW, zone: "Europe/Madrid" });
  } catch (error) {
    assert.ok(error instanceof WiretailError);
    return undefined;
  }
};

it("any format compiles or is refused, and any text gives a number or NaN, the same again from a fresh parser", () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9A-Za-z:. +-]{0,40}$/));
  fc.assert(
    fc.property(fc.oneof(format, fc.string()), fc.array(text, { maxLength: 6 }), (spec, texts) => {
      const parse = compile(spec);
      if (parse === undefined) return;
      for (const each of texts) {
        const ms = parse(each);
        assert.ok(Number.isNaN(ms) || Number.isFinite(ms));
        assert.deepEqual(ms, compile(spec)!(each));
      }
    }),
    limits,
  );
});

it("a time written in a format is read back, whatever was read before it", () => {
  const time = fc.integer({ min: Date.parse("1970-01-02"), max: Date.parse("2068-12-31") });
  const shapes = ["%Y-%m-%d %H:%M:%S.%L", "%s.%L", "%d/%b/%Y:%H:%M:%S.%4L +0000", "%y%j %H%M%S.%f", "iso8601"];
  const parsers = shapes.map((shape) => compileTimeFormat(shape.replace("+0000", "%z"), { now: () => NOW }));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(shapes.length - 1), time, fc.nat(4000)), { minLength: 1, maxLength: 10 }),
      (rows) => {
        for (const [index, start, step] of rows) {
          for (const ms of [start, start + step]) assert.equal(parsers[index]!(write(shapes[index]!, ms)), ms);
        }
      },
    ),
    limits,
  );
});

it("ISO times are read as the core reads them", () => {
  const parse = compileTimeFormat("iso8601", { now: () => NOW });
  const time = fc
    .double({ min: -62e12, max: 250e12, noNaN: true })
    .map((ms) => formatIsoTime(Math.round(ms * 1000) / 1000));
  fc.assert(
    fc.property(
      fc.oneof(
        time,
        fc.stringMatching(/^\d{4}-[01]\d-[0-3]\d[ T][012]\d:[0-6]\d:[0-6]\d([.,]\d{1,9})?(Z|[+-]0\d:?[0-5]\d)?$/),
      ),
      (text) => {
        if (/[T ]24:/.test(text)) return;
        assert.deepEqual(parse(text), parseIsoTime(text), text);
      },
    ),
    limits,
  );
});

function write(shape: string, ms: number): string {
  const iso = new Date(ms).toISOString();
  const year = iso.slice(0, 4);
  const day = Math.floor((ms - Date.UTC(Number(year), 0, 1)) / 86_400_000) + 1;
  const month = "JanFebMarAprMayJunJulAugSepOctNovDec".slice(Number(iso.slice(5, 7)) * 3 - 3).slice(0, 3);
  const values: Record<string, string> = {
    "%Y": year,
    "%y": year.slice(2),
    "%m": iso.slice(5, 7),
    "%d": iso.slice(8, 10),
    "%b": month,
    "%j": String(day).padStart(3, "0"),
    "%H": iso.slice(11, 13),
    "%M": iso.slice(14, 16),
    "%S": iso.slice(17, 19),
    "%L": iso.slice(20, 23),
    "%4L": "0" + iso.slice(20, 23),
    "%f": iso.slice(20, 23),
    "%s": String(Math.floor(ms / 1000)),
  };
  return shape === "iso8601" ? iso : shape.replace(/%4?[A-Za-z]/g, (directive) => values[directive]!);
}
