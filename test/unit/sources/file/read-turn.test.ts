import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Generation, newGenerationId } from "../../../../src/sources/file/generation.ts";
import { openFile } from "../../../../src/sources/file/identity.ts";
import { ReadBuffer, readTurn, untilAborted } from "../../../../src/sources/file/read-turn.ts";
import { temporaryFolder } from "../../../support/folders.ts";
import { MemoryOutput } from "../../../support/source-output.ts";

const SETTINGS = {
  ...{ chunkBytes: 1024, turnBytes: 4096, idleLineFlushMs: 1000, multilineFlushMs: undefined },
  ...{ flushesAtStop: false, once: false, now: () => 0, monotonicMs: () => 0 },
};

function generationOf(path: string, maxLineBytes: number): Generation {
  const place = { path, dev: "1", ino: "1", born: "" };
  const envelope = { paths: [], values: [], offsetPath: undefined };
  return new Generation(newGenerationId(), path, place, "test", envelope, { maxLineBytes });
}

/** Reads a file of 7 bytes; `meanwhile` runs when the read has its bytes and before anybody looks at them. */
async function lostWhileRead(t: TestContext, seenEnd: number, meanwhile: (gen: Generation) => void): Promise<number> {
  const path = join(await temporaryFolder(t), "app.log");
  await writeFile(path, "line 1\n");
  const file = await openFile(path);
  try {
    const gen = generationOf(path, 1024);
    gen.seenEnd = seenEnd;
    gen.handle = Object.assign(Object.create(file) as typeof file, {
      read: async (into: Buffer, offset: number, length: number, position: number) => {
        const result = await file.read(into, offset, length, position);
        meanwhile(gen);
        return result;
      },
    });
    const output = new MemoryOutput();
    await output.open({ id: gen.id, identity: null, startPosition: 0 });
    await readTurn(gen, new ReadBuffer(), output, SETTINGS, new AbortController().signal);
    return gen.lostBytes;
  } finally {
    await file.close();
  }
}

test("batches of very short lines are cut smaller, those of longer ones not, and every line is there once", async (t) => {
  const path = join(await temporaryFolder(t), "app.log");
  const lines = Array.from({ length: 160_000 }, (_, i) =>
    i < 100_000 ? `${i % 10}` : `${i} a line of the usual length, as programs write them, of ${i % 7} parts`,
  );
  lines.splice(120_000, 0, "x".repeat(600_000), "y".repeat(300_000));
  await writeFile(path, lines.join("\n") + "\n");
  const gen = generationOf(path, 1 << 20);
  gen.handle = await openFile(path);
  t.after(() => gen.handle!.close());
  const output = new MemoryOutput();
  await output.open({ id: gen.id, identity: null, startPosition: 0 });
  const counts: number[] = [];
  let text = "";
  const emit = output.emit.bind(output);
  output.emit = (batch) => {
    counts.push(batch.count);
    for (let i = 0; i < batch.count; i++) text += batch.text.slice(batch.starts[i], batch.ends[i]) + "\n";
    return emit(batch);
  };
  const settings = { ...SETTINGS, chunkBytes: 256 * 1024, turnBytes: 1 << 20 };
  const buffer = new ReadBuffer();
  while ((await readTurn(gen, buffer, output, settings, new AbortController().signal)) === "more");
  assert.ok(text === lines.join("\n") + "\n", "every line once, in order");
  const [first, ...others] = counts.slice(0, -1);
  assert.ok(first! > 100_000, "nothing is known of the file yet");
  assert.ok(Math.max(...others) <= 8192, `${Math.max(...others)} events`);
  assert.ok(counts.at(-2)! > 2000, `${counts.at(-2)} events of longer lines`);
});

test("what is written while a file is read is not taken for lost", async (t) => {
  const grow = (gen: Generation): void => void (gen.seenEnd = 20);
  assert.equal(await lostWhileRead(t, 0, grow), 0);
});

test("what was seen before and is not there any more when the file is read is counted", async (t) => {
  assert.equal(await lostWhileRead(t, 20, () => undefined), 13);
});

test("what fails after nobody waits for it any more is nobody's fault: it must not end the process", async () => {
  const stop = new AbortController();
  const failing = new Promise<void>((_resolve, reject) => setTimeout(reject, 5, new Error("the disk is full")));
  const waiting = untilAborted(failing, stop.signal);
  stop.abort();
  await waiting;
  // Begun when it was aborted already: a source that is stopped while it starts.
  await untilAborted(Promise.reject(new Error("the disk is full")), stop.signal);
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});
