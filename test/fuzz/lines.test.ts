import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { LineSplitter } from "../../src/codec/lines.ts";
import type { MultilineRules } from "../../src/codec/multiline.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

it("arbitrary bytes are cut into events that cover them in order, and nothing throws or stands still", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc
      .array(fc.constantFrom(10, 10, 13, 32, 97, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0xff, 0), { maxLength: 600 })
      .map((a) => Uint8Array.from(a)),
  );
  const multiline = fc.option(
    fc
      .record({
        maxLines: fc.integer({ min: 1, max: 5 }),
        maxBytes: fc.integer({ min: 1, max: 60 }),
        start: fc.boolean(),
      })
      .map((o): MultilineRules => ({
        startPattern: o.start ? /^a/ : undefined,
        continuationPattern: o.start ? undefined : /^ /,
        maxLines: o.maxLines,
        maxBytes: o.maxBytes,
      })),
    { nil: undefined },
  );
  const steps = fc.array(
    fc.record({ grow: fc.integer({ min: 0, max: 150 }), end: fc.constantFrom("open", "open", "lines", "idle", "all") }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(bytes, multiline, fc.integer({ min: 1, max: 80 }), steps, (input, rules, max, plan) => {
      const splitter = new LineSplitter({ maxLineBytes: max, multiline: rules });
      const all = Buffer.from(input);
      let position = 0;
      let seen = 0;
      let lastOffset = -1;
      let dropped = 0;
      for (const step of [...plan, { grow: all.length, end: "all" as const }]) {
        seen = Math.min(all.length, seen + step.grow);
        for (let rounds = 0; ; rounds++) {
          assert.ok(rounds <= all.length + 2, "stands still");
          const chunk = Buffer.from(all.subarray(position, seen));
          const split = splitter.split(chunk, position, step.end);
          assert.ok(split.consumed >= 0 && split.consumed <= chunk.length);
          for (let i = 0; i < split.count; i++) {
            assert.ok(split.offsets[i]! > lastOffset && split.offsets[i]! < Math.max(position + split.consumed, 1));
            assert.ok(
              split.starts[i]! >= 0 && split.starts[i]! <= split.ends[i]! && split.ends[i]! <= split.text.length,
            );
            lastOffset = split.offsets[i]!;
          }
          position += split.consumed;
          dropped += split.dropped;
          if (split.consumed === 0) {
            assert.ok(step.end !== "open" || chunk.length <= splitter.maxEventBytes, "an event grows without bound");
            break;
          }
        }
      }
      assert.equal(position, all.length);
      assert.equal(splitter.holding, false);
      assert.ok(dropped <= all.length);
    }),
    { numRuns: Infinity, interruptAfterTimeLimit: FUZZ_MS, markInterruptAsFailure: false },
  );
});
