import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeRecord, encodeRecord, type RecordReader } from "../../../../src/disk/journal/record.ts";
import { Journal } from "../../../../src/disk/journal/journal.ts";
import { encodingKey, JSON_ENCODING } from "../../../../src/core/batch.ts";
import { makeBatch } from "../../../support/batches.ts";
import { FakeDisk } from "../../../support/fake-disk.ts";
import { randomOf } from "../../../support/traffic.ts";

const FOLDER = "/state/journal";
const KEY = encodingKey(JSON_ENCODING);
const SINKS = ["sink-a", "sink-b", "sink-c"];

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("append" as const), records: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("settle" as const), sink: fc.nat({ max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("save" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("crash" as const, "kill" as const) }) },
);
const scenario = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 40 }),
  seed: fc.integer(),
  /** Of 1,000 calls to the disk, how many fail. */
  faults: fc.constantFrom(0, 0, 30, 200),
});

/** What must be true of a journal, kept beside it. */
class Model {
  /** Text and audience of every record that was acknowledged, by sequence number. */
  readonly acknowledged = new Map<number, { text: string; audience: readonly string[] }>();
  /** Of every record ever handed over: what may be read. */
  readonly texts = new Map<string, readonly string[]>();
  readonly cursors = new Map<string, number>();
  readonly saved = new Map<string, number>();
  #number = 0;

  newText(audience: readonly string[]): string {
    const text = `record ${this.#number++} ${"x".repeat(this.#number % 50)}`;
    this.texts.set(text, audience);
    return text;
  }
}

async function check(journal: Journal, model: Model): Promise<void> {
  for (const sink of SINKS) {
    const cursor = journal.cursor(sink);
    assert.ok(cursor <= (model.cursors.get(sink) ?? 0), `${sink} is not taken further than it said`);
    const found = new Map<number, string>();
    for (let place = journal.find(cursor, sink); place !== undefined; place = journal.find(place.sequence + 1, sink)) {
      const record = decodeRecord(await journal.read(place), KEY);
      assert.ok(record !== undefined, `record ${place.sequence} can be read`);
      assert.equal(record.sequence, place.sequence);
      const text = (JSON.parse(record.batch.bodies.get(KEY)!.bytes.toString()) as { message: string }).message;
      assert.deepEqual(model.texts.get(text), place.audience, "no record that was never written");
      found.set(place.sequence, text);
    }
    for (const [sequence, { text, audience }] of model.acknowledged) {
      if (!audience.includes(sink) || sequence < (model.cursors.get(sink) ?? 0)) continue;
      assert.equal(found.get(sequence), text, `${sink} finds record ${sequence}, which was acknowledged`);
    }
  }
}

test("what was acknowledged survives any crash until every sink has passed it, and nothing else is believed", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ steps, seed, faults }) => {
      const random = randomOf(seed);
      const disk = new FakeDisk();
      const model = new Model();
      const failing = {
        before: () => (random() * 1000 < faults ? (random() < 0.5 ? "ENOSPC" : "EIO") : undefined),
        take: (length: number) => (random() < 0.3 ? Math.ceil(random() * length) : length),
      };
      const open = async (): Promise<Journal> => {
        disk.fault = {};
        const options = { folder: FOLDER, maxBytes: 1 << 20, segmentBytes: 1500, fileSystem: disk };
        const { journal } = await Journal.open(options);
        for (const sink of SINKS) {
          assert.ok(journal.cursor(sink) >= (model.saved.get(sink) ?? 0), "a saved cursor does not go back");
        }
        await check(journal, model);
        disk.fault = failing;
        return journal;
      };
      let journal = await open();
      for (const each of steps) {
        if (each.do === "append") {
          const done = Array.from({ length: each.records }, async () => {
            const audience = SINKS.filter(() => random() < 0.5);
            if (audience.length === 0) audience.push(SINKS[0]!);
            const text = model.newText(audience);
            const readers = audience.map((sink): RecordReader => ({
              ...{ sink, ranges: [0, 1], start: { position: 0, resume: null }, sentBefore: false },
            }));
            const batch = makeBatch({ lines: [text] });
            const sequence = await journal.append(encodeRecord(batch, readers, new Set([KEY])));
            if (sequence !== undefined) model.acknowledged.set(sequence, { text, audience });
          });
          await Promise.allSettled(done);
        } else if (each.do === "settle") {
          const sink = SINKS[each.sink]!;
          const place = journal.find(journal.cursor(sink), sink);
          if (place === undefined) continue;
          journal.setCursor(sink, place.sequence + 1);
          model.cursors.set(sink, place.sequence + 1);
        } else if (each.do === "save") {
          const cursors = new Map(model.cursors);
          await journal.saveCursors().then(
            () => {
              const kept = journal.sinks;
              model.saved.clear();
              for (const [sink, cursor] of cursors) if (kept.has(sink)) model.saved.set(sink, cursor);
            },
            () => undefined,
          );
        } else {
          if (each.do === "crash") disk.crash(random);
          journal = await open();
          // What it gives again after a crash has to be passed again.
          for (const sink of SINKS) model.cursors.set(sink, journal.cursor(sink));
        }
      }
      disk.fault = {};
      await check(journal, model);
      await journal.close();
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
});
