import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { documentMembers } from "../../../src/codec/document.ts";
import { LogEvent, type Envelope } from "../../../src/core/event.ts";
import { Extension } from "../../../src/core/extension.ts";
import { KeySequence } from "../../../src/core/key-sequence.ts";
import { Path } from "../../../src/core/path.ts";

const envelope: Envelope = { paths: [new Path("host.name")], values: ["h"], offsetPath: new Path("log.offset") };
const make = (line = "x"): LogEvent => new LogEvent(line, 0, 7, envelope);

describe("KeySequence", () => {
  it("gives objects with the same keys the same layout, and values their own slots", () => {
    const sequence = new KeySequence();
    const [one, two] = [make(), make()];
    sequence.setAll(one, { a: 1, message: "m", b: { c: 2 } });
    sequence.setAll(two, { a: 3, message: "n", b: undefined });
    assert.equal(one.layout, two.layout);
    assert.deepEqual(
      [two.get(new Path("a")), two.get(new Path("message")), two.get(new Path("b"))],
      [3, "n", undefined],
    );
    assert.equal(one.get(new Path("b.c")), 2);
  });

  it("leaves an object that ends early with its own keys only", () => {
    const sequence = new KeySequence();
    const short = make();
    sequence.setAll(make(), { a: 1, b: 2, c: 3 });
    sequence.setAll(short, { a: 1 });
    assert.deepEqual(short.layout.slots, [["message"], ["a"]]);
  });

  it("does to every event what setting the keys one by one does, whatever came before", () => {
    const key = fc.constantFrom("a", "b", "a.b", "message", "@timestamp", "__proto__", "host", "constant", "1", "0");
    const value = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.constant({ x: 1 }), fc.constant(undefined));
    const object = fc
      .array(fc.tuple(key, value), { maxLength: 8 })
      .map((entries) => Object.fromEntries(entries) as Record<string, unknown>);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), object), { maxLength: 12 }), (inputs) => {
        const sequence = new KeySequence();
        const extension = new Extension([new Path("constant"), new Path("__proto__.deep")], ['"c"', undefined]);
        for (const [kind, input] of inputs) {
          const [quick, plain] = [make(), make()];
          for (const event of [quick, plain]) {
            if (kind === 1 && event.extend(extension)) event.values[extension.slots[0]!] = "c";
            if (kind === 2) event.set(new Path("a.b"), 5);
          }
          sequence.setAll(quick, input);
          for (const each in input) plain.setTopLevel(each, input[each]);
          assert.equal(quick.layout, plain.layout);
          assert.deepEqual(quick.toObject(), plain.toObject());
          assert.equal(documentMembers(quick), documentMembers(plain));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
