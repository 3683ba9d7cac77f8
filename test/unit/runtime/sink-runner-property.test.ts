import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Verdict, WriteResult } from "../../../src/core/component.ts";
import { ScriptedSink } from "../../support/scripted-sink.ts";
import { SinkRig } from "../../support/sink-rig.ts";

/** How each document is answered, call after call; the last one for ever. */
type Script = readonly ("retry" | "hold" | "delivered" | "rejected")[];

const script = fc
  .tuple(
    fc.array(fc.constantFrom("retry" as const, "hold" as const), { maxLength: 3 }),
    fc.constantFrom("delivered" as const, "delivered" as const, "rejected" as const),
  )
  .map(([before, last]): Script => [...before, last]);
const call = fc.constantFrom("answer", "answer", "answer", "answer", "retry", "hold", "too_large", "throw");
const scenario = fc.record({
  batches: fc.array(fc.array(script, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 12 }),
  calls: fc.array(call, { maxLength: 30 }),
  maxEvents: fc.integer({ min: 1, max: 9 }),
  concurrency: fc.integer({ min: 1, max: 3 }),
  destinations: fc.integer({ min: 1, max: 3 }),
  isOrdered: fc.boolean(),
  pauses: fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 12, maxLength: 12 }),
});

test("every document is settled exactly once, as the server said, whatever it says and in whatever order", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ batches, calls, maxEvents, concurrency, destinations, isOrdered, pauses }) => {
      const scripts = new Map<string, Script>();
      const asked = new Map<string, number>();
      const rest = [...calls];
      const rejectable = new Set<string>();
      const sink = new ScriptedSink(
        (messages): WriteResult => {
          const kind = rest.shift() ?? "answer";
          if (kind === "throw") throw new Error("thrown");
          if (kind === "too_large" && messages.length === 1) rejectable.add(messages[0]!);
          if (kind !== "answer") return { outcome: kind as "retry", reason: kind };
          const verdicts = new Map<number, Verdict>();
          messages.forEach((message, i) => {
            const mine = scripts.get(message)!;
            const turn = asked.get(message) ?? 0;
            asked.set(message, turn + 1);
            const outcome = mine[Math.min(turn, mine.length - 1)]!;
            if (outcome === "rejected") rejectable.add(message);
            verdicts.set(i, outcome === "delivered" ? { outcome } : { outcome, reason: outcome });
          });
          return { outcome: "mixed", verdicts };
        },
        { maxEvents, concurrency: isOrdered ? 1 : concurrency },
      );
      if (destinations > 1) sink.destinationOf = (timeMs) => String(timeMs % destinations);
      if (isOrdered) sink.position = () => undefined;
      const rig = new SinkRig(sink, { random: () => 0.5 });
      const check = (): void => {
        const { routed, delivered, deadLettered } = rig.runner.counts;
        assert.equal(routed, delivered + deadLettered + rig.runner.queued);
        assert.equal(delivered, sink.delivered.length);
        assert.equal(deadLettered, rig.deadLetters.length);
      };
      let number = 0;
      for (const [i, batch] of batches.entries()) {
        const lines = batch.map((mine) => {
          const message = `m${number++}`;
          scripts.set(message, mine);
          return message;
        });
        rig.enqueue(
          lines,
          lines.map((_, k) => k),
        );
        await rig.clock.advance(pauses[i]!);
        check();
      }
      for (let i = 0; i < 200 && rig.runner.queued > 0; i++) {
        await rig.clock.advance(30_000);
        check();
      }
      assert.equal(rig.runner.queued, 0, "all is settled in the end");
      const all = [...scripts.keys()];
      const lettered = rig.deadLetters.map(({ message }) => message);
      assert.deepEqual([...sink.delivered, ...lettered].sort(), [...all].sort(), "each exactly once");
      for (const message of lettered) assert.ok(rejectable.has(message), `${message} was refused for good`);
      assert.equal(rig.progress.position, number * 100);
      assert.equal(rig.outbox.heldBytes, 0);
      assert.equal(rig.done.length, batches.length);
      assert.equal(rig.runner.health.state, "working");
      await rig.runner.stop();
    }),
    { numRuns: 150, includeErrorInReport: true },
  );
});
