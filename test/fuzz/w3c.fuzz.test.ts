import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { DROP, StageFailure } from "../../src/core/component.ts";
import { Path } from "../../src/core/path.ts";
import { parseW3c } from "../../src/stages/parse_w3c/index.ts";
import { FUZZ_MS } from "../support/fuzz.ts";
import { eventOf, stageOf } from "../support/stages.ts";

const MESSAGE = new Path("message");
const HEADER = new Path("log.header");
const name = fc.constantFrom(
  ...["date", "time", "c-ip", "s-ip", "cs-method", "sc-status", "time-taken", "cs(User-Agent)", "cs-uri-stem", "x"],
  ...["__proto__", "constructor", "", "é", "a.b", "a", '"q"', "cs(Cookie)"],
);
const value = fc.oneof(
  fc.constantFrom("-", "2026-11-21", "10:00:00", "24:61:61", "200", "1e9", "192.0.2.1", "::1", '"', '"a b"', '""', "#"),
  fc.string({ maxLength: 6 }),
);
const line = fc.oneof(
  fc.array(name, { maxLength: 8 }).map((names) => `#Fields: ${names.join(" ")}`),
  fc.array(value, { maxLength: 8 }).map((values) => values.join(" ")),
  fc.constantFrom("#Version: 1.0", "#Date: 2026-11-21 10:00:00", "#Fields:", "#", ""),
  fc.string(),
);

it("any lines under any header lines give fields, are left out, or say why not; a failure changes nothing", () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.boolean(), fc.option(line), (lines, keeps, header) => {
      const stage = stageOf(parseW3c, { keep_original: keeps });
      stage.enter?.("partition");
      lines.forEach((text, i) => {
        const event = eventOf(text, i * 100);
        if (header !== null) event.set(HEADER, header);
        const outcome = stage.apply(event);
        if (outcome instanceof StageFailure) assert.equal(event.get(MESSAGE), text);
        else assert.ok(outcome === undefined || outcome === DROP);
        JSON.stringify(event.toObject());
      });
    }),
    { interruptAfterTimeLimit: FUZZ_MS, numRuns: 1_000_000 },
  );
});
