import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { LineSplitter } from "../../src/codec/lines.ts";
import { ENCODINGS, textEncoding } from "../../src/codec/text-encoding.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

it("arbitrary bytes in any encoding become the same lines however they are cut, and cover the input", () => {
  const special = [10, 10, 13, 0, 0, 0x0a, 0x41, 0x30, 0x81, 0x8f, 0xa1, 0xd8, 0xdc, 0xfe, 0xff];
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(fc.constantFrom(...special), { maxLength: 300 }).map((each) => Uint8Array.from(each)),
  );
  const names = ENCODINGS.filter((name) => name !== "utf-8");
  fc.assert(
    fc.property(fc.constantFrom(...names), bytes, fc.array(fc.nat(60), { maxLength: 20 }), (name, input, cuts) => {
      const encoding = textEncoding(name)!;
      const all = Buffer.from(input);
      const read = (plan: readonly number[], maxLineBytes: number): [number, string][] => {
        const splitter = new LineSplitter({ maxLineBytes, encoding }, null);
        const events: [number, string][] = [];
        let position = 0;
        let seen = 0;
        for (const grow of [...plan, Infinity]) {
          seen = Math.min(all.length, seen + grow);
          for (let rounds = 0; ; rounds++) {
            assert.ok(rounds <= all.length + 2, "stands still");
            const chunk = Buffer.from(all.subarray(position, seen));
            // Idle ends are left out: they make events of half lines on purpose.
            const split = splitter.split(chunk, position, grow === Infinity ? "all" : "open");
            for (let i = 0; i < split.count; i++) {
              assert.ok(split.ends[i]! >= split.starts[i]! && split.ends[i]! <= split.text.length);
              events.push([split.offsets[i]!, split.text.slice(split.starts[i], split.ends[i])]);
            }
            position += split.consumed;
            if (split.consumed === 0) break;
          }
        }
        assert.equal(position, all.length);
        return events;
      };
      assert.deepEqual(read(cuts, 1000), read([], 1000));
      for (const [i, [offset]] of read(cuts, 7).entries()) assert.ok(offset >= i);
    }),
    { numRuns: Infinity, interruptAfterTimeLimit: FUZZ_MS, markInterruptAsFailure: false },
  );
});
