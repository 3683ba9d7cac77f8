import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { ContainerSplitter } from "../../src/codec/container-lines.ts";
import { containerFields, dockerFields } from "../../src/sources/file/metadata.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

it("arbitrary mixtures of records become the same events however they are cut, from any place where reading stopped", () => {
  const text = fc.stringMatching(/^[a-c "\\\\n{}ä]{0,12}$/);
  const stream = fc.constantFrom("stdout", "stderr");
  const line = fc.oneof(
    fc
      .tuple(stream, fc.constantFrom("P", "F", "F:x", "Q"), text)
      .map(([s, tag, words]) => `2026-11-21T10:00:00Z ${s} ${tag} ${words}`),
    fc
      .tuple(stream, text, fc.boolean())
      .map(([s, log, ends]) => JSON.stringify({ log: ends ? `${log}\n` : log, stream: s, time: "t" })),
    fc.tuple(stream, text).map(([s, log]) => JSON.stringify({ time: "t", log, stream: s })),
    fc.string({ maxLength: 30 }),
    fc.constantFrom('{"log":"', '{"log":"x","stream":"stdout"', "2 stdout P", "2 stdout ", "{", "x".repeat(300)),
  );
  const multiline = fc.option(
    fc.constantFrom(
      { startPattern: /^a/, continuationPattern: undefined, maxLines: 3, maxBytes: 1000 },
      { startPattern: undefined, continuationPattern: /^ /, maxLines: 100, maxBytes: 200 },
    ),
    { nil: undefined },
  );
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 25 }),
      multiline,
      fc.constantFrom(60, 200, 2000),
      fc.array(fc.nat(120), { maxLength: 12 }),
      (lines, rules, max, cuts) => {
        const all = Buffer.from(lines.map((each) => `${each}\n`).join(""));
        const read = (plan: readonly number[], from = 0) => {
          const splitter = new ContainerSplitter({ maxLineBytes: max, multiline: rules }, "auto");
          const events: [number, string, string | undefined][] = [];
          const positions: number[] = [];
          let position = from;
          let seen = from;
          for (const grow of [...plan, Infinity]) {
            seen = Math.min(all.length, seen + grow);
            for (let rounds = 0; ; rounds++) {
              assert.ok(rounds <= all.length + 2, "stands still");
              const chunk = Buffer.from(all.subarray(position, seen));
              const split = splitter.split(chunk, position, grow === Infinity ? "all" : "open");
              for (let i = 0; i < split.count; i++)
                events.push([
                  split.offsets[i]!,
                  split.text.slice(split.starts[i], split.ends[i]),
                  split.flags?.get(i)?.join(),
                ]);
              position += split.consumed;
              if (split.consumed === 0) {
                assert.ok(grow === Infinity || chunk.length <= splitter.maxEventBytes, "grows without bound");
                break;
              }
              // In the middle of a line that is given up, the reader keeps that with the position.
              if (!splitter.skipping && !splitter.midLine) positions.push(position);
            }
          }
          assert.equal(position, all.length);
          return { events, positions };
        };
        const whole = read([]);
        const pieces = read(cuts);
        assert.deepEqual(pieces.events, whole.events);
        for (let i = 1; i < whole.events.length; i++) assert.ok(whole.events[i]![0] > whole.events[i - 1]![0]);
        for (const from of pieces.positions)
          assert.deepEqual(
            read([], from).events,
            whole.events.filter(([offset]) => offset >= from),
          );
      },
    ),
    { numRuns: Infinity, interruptAfterTimeLimit: FUZZ_MS, markInterruptAsFailure: false },
  );
});

it("arbitrary paths and descriptions of containers give fields or none, and nothing throws", () => {
  const part = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom("/", "_", "-", ".log", "0".repeat(64), "-json.log", "pods"),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.oneof(fc.json(), fc.string()), (parts, json) => {
      for (const [name, value] of [...containerFields(parts.join("")), ...dockerFields(json)]) {
        assert.match(name, /^(container|kubernetes|orchestrator)\./);
        assert.ok(value !== "");
      }
    }),
    { numRuns: Infinity, interruptAfterTimeLimit: FUZZ_MS / 5, markInterruptAsFailure: false },
  );
});
