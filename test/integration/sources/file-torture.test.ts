import assert from "node:assert/strict";
import { copyFile, open, readdir, rename, truncate, unlink, type FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import { it } from "node:test";
import { Bench, type Running } from "../../support/file-source.ts";
import { randomBelow } from "../../support/random.ts";
import { MemoryOutput, until } from "../../support/source-output.ts";

const ROUNDS = 25;
const FIRST = Number(process.env["WIRETAIL_TORTURE_FIRST"] ?? 1);
const SEEDS = Number(process.env["WIRETAIL_TORTURE_SEEDS"] ?? 6);

for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  const include = seed % 2 === 0 ? "app.log" : "app.log*";
  it(`gives every numbered line exactly once through random rotation, kills and restarts (${include}, seed ${seed})`, async () => {
    await using bench = await Bench.make();
    const log = bench.path("app.log");
    const pick = randomBelow(seed);
    const options = {
      include: [bench.path(include)],
      poll_interval_ms: 50,
      rotate_grace_ms: 1500,
      idle_line_flush_ms: 60_000,
      read_chunk_bytes: 1024,
      max_open_files: 4,
    };
    const history: string[] = [];
    const messages: string[] = [];
    /** The first number in the present file: it is known to the source for sure once that has arrived. */
    let firstInFile = 0;
    let knownFile = false;
    let next = 0;
    let writer: FileHandle = await open(log, "a");
    let run: Running | undefined;
    const write = async (): Promise<void> => {
      const from = next;
      next += pick(200);
      const text = Array.from({ length: next - from }, (_, i) => `${from + i} ${"ä".repeat(pick(20))}\n`).join("");
      // Half lines happen wherever programs buffer.
      const bytes = Buffer.from(text);
      const cut = pick(bytes.length + 1);
      await writer.write(bytes.subarray(0, cut));
      if (pick(2) === 0) await new Promise((resolve) => setTimeout(resolve, pick(20)));
      await writer.write(bytes.subarray(cut));
    };
    const shift = async (): Promise<void> => {
      const numbers = (await readdir(bench.path(""))).map((name) => Number(/^app\.log\.(\d+)$/.exec(name)?.[1] ?? 0));
      for (const n of numbers.filter((each) => each > 0).sort((a, b) => b - a))
        await rename(`${log}.${n}`, `${log}.${n + 1}`);
    };
    const begin = (): Running => {
      const output = new MemoryOutput(bench.durable);
      output.autoAck = pick(2) === 0;
      return bench.start(options, { output });
    };
    const caughtUp = async (): Promise<void> => {
      if (run === undefined) return;
      run.output.autoAck = true;
      run.output.ackAll();
      const seen = (): number =>
        new Set([...bench.durable.delivered.values()].map((event) => event.text.split(" ")[0])).size;
      await until(
        () => seen() === next,
        () => `${next} lines, have ${seen()}; ${history.join(", ")}\n${[...messages, ...run!.messages].join("\n")}`,
        20_000,
      );
      knownFile = next > firstInFile;
    };
    const newFile = (): void => {
      firstInFile = next;
      knownFile = false;
    };
    const ended = (how: string): void => {
      history.push(how);
      assert.deepEqual(run!.output.drops, [], history.join(", ") + "\n" + run!.messages.join("\n"));
      messages.push(...run!.messages, `---- ${how} at ${next}`);
      run = undefined;
    };
    run = begin();
    for (let round = 0; round < ROUNDS; round++) {
      await write();
      const action = pick(8);
      // What comes and goes under the name before anybody saw it, to a name that does not match, cannot be known.
      // Nor can a copy be told from a new file, unless something of the original was acknowledged.
      if (action <= 2 && (include === "app.log" || action === 2)) {
        if (run !== undefined) await caughtUp();
        if (!knownFile) continue;
      }
      if (action <= 1) {
        history.push(`rename at ${next}`);
        await shift();
        await rename(log, `${log}.1`);
        if (pick(2) === 0) await write();
        await writer.close();
        writer = await open(log, "a");
        newFile();
      } else if (action === 2) {
        // What is written between copy and truncation is lost with copytruncate: the writer is quiet here.
        history.push(`copytruncate at ${next}`);
        await shift();
        await copyFile(log, `${log}.1`);
        await truncate(log, 0);
        newFile();
      } else if (action === 3 && run !== undefined) {
        await caughtUp();
        history.push(`delete at ${next}`);
        await unlink(log);
        await writer.close();
        writer = await open(log, "a");
        newFile();
      } else if (action === 4 && run !== undefined) {
        if (pick(2) === 0) run.output.ack(pick(run.output.unacked + 1));
        run.output.deliverUnacked(pick(run.output.unacked + 1));
        await run.kill();
        ended("kill");
      } else if (action === 5 && run !== undefined) {
        run.output.ack(pick(run.output.unacked + 1));
        await run.stop();
        ended("stop");
      } else if (run === undefined) {
        history.push("start");
        run = begin();
      } else if (action === 6) {
        run.output.ack(pick(run.output.unacked + 1));
      }
    }
    run ??= begin();
    await caughtUp();
    await run.stop();
    ended("end");
    await writer.close();
    const texts = [...bench.durable.delivered.values()]
      .map((event) => Number(event.text.split(" ")[0]))
      .sort((a, b) => a - b);
    assert.deepEqual(bench.durable.conflicts, []);
    assert.deepEqual(
      texts,
      Array.from({ length: next }, (_, i) => i),
      `${history.join(", ")}\n${messages.join("\n")}`,
    );
    assert.ok([...bench.durable.delivered.values()].every((event) => basename(event.path!).startsWith("app.log")));
  });
}
