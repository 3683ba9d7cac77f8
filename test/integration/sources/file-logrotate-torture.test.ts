import assert from "node:assert/strict";
import { open, readFile, rm, stat, truncate, type FileHandle } from "node:fs/promises";
import { it } from "node:test";
import { headOf, type FileIdentity } from "../../../src/sources/file/identity.ts";
import { logrotate } from "../../support/e2e.ts";
import { Bench, type Running } from "../../support/file-source.ts";
import { randomBelow } from "../../support/random.ts";
import { MemoryOutput, until } from "../../support/source-output.ts";

const ROUNDS = 24;
const FIRST = Number(process.env["WIRETAIL_TORTURE_FIRST"] ?? 1);
const SEEDS = Number(process.env["WIRETAIL_TORTURE_SEEDS"] ?? 9);
/** How long lines may take to arrive, also on a busy machine. */
const WAIT_MS = Number(process.env["WIRETAIL_TORTURE_WAIT_MS"] ?? 60_000);

/** How a host rotates: it is set up once. */
const COMPRESSION = [[], ["compress"], ["compress", "delaycompress"]] as const;
const NAMES = ["index", "dateext"] as const;

/** Bytes that were destroyed without a copy, and the numbers of their lines. */
interface Destroyed {
  readonly content: Buffer;
  readonly from: number;
  readonly to: number;
}

for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  const compression = COMPRESSION[seed % 3]!;
  const names = NAMES[Math.floor(seed / 3) % 2]!;
  const include = seed % 2 === 0 ? "app.log" : "app.log*";
  const how = [names, ...compression].join(", ");
  it(`gives every numbered line once, or says exactly how much it lost, through Debian's logrotate (${how}; ${include}; seed ${seed})`, async (t) => {
    await using bench = await Bench.make();
    const log = bench.path("app.log");
    const pick = randomBelow(seed);
    const options = {
      include: [bench.path(include)],
      poll_interval_ms: 50,
      rotate_grace_ms: 400,
      idle_line_flush_ms: 60_000,
      read_chunk_bytes: 1024,
    };
    const history: string[] = [];
    const messages: string[] = [];
    const destroyed: Destroyed[] = [];
    let next = 0;
    let firstInFile = 0;
    let rotations = 0;
    let reused = 0;
    let dropped = 0;
    let expectedDrops = 0;
    let run: Running | undefined;
    const create = (): Promise<FileHandle> => open(log, "a", 0o644);
    let writer = await create();
    t.after(() => writer.close().catch(() => undefined));
    const write = async (): Promise<void> => {
      const from = next;
      next += 1 + pick(150);
      const text = Array.from({ length: next - from }, (_, i) => `${from + i} ${"ä".repeat(pick(30))}\n`).join("");
      await writer.write(text);
    };
    const reopen = async (): Promise<void> => {
      await writer.close();
      writer = await create();
    };
    const seen = (): Set<number> =>
      new Set([...bench.durable.delivered.values()].map((event) => parseInt(event.text, 10)));
    const isDestroyed = (line: number): boolean => destroyed.some(({ from, to }) => line >= from && line < to);
    const missing = (): number[] => {
      const have = seen();
      return Array.from({ length: next }, (_, i) => i).filter((line) => !have.has(line) && !isDestroyed(line));
    };
    const start = (): void => {
      history.push("start");
      const output = new MemoryOutput(bench.durable);
      output.autoAck = pick(2) === 0;
      run = bench.start(options, { output });
    };
    const caughtUp = async (): Promise<void> => {
      if (run === undefined) return;
      run.output.autoAck = true;
      run.output.ackAll();
      await until(
        () => missing().length === 0,
        () => `${missing().slice(0, 5).join()}…; ${history.join(", ")}\n${[...messages, ...run!.messages].join("\n")}`,
        WAIT_MS,
      );
    };
    /** Everything is read, and perhaps not delivered. */
    const allRead = async (): Promise<void> => {
      const last = (): boolean => run!.output.events().some((event) => parseInt(event.text, 10) === next - 1);
      await until(
        last,
        () => `line ${next - 1} to be read; ${history.join(", ")}\n${run!.messages.join("\n")}`,
        WAIT_MS,
      );
    };
    const ended = async (ending: "kill" | "stop"): Promise<void> => {
      const { output } = run!;
      output.ack(pick(output.unacked + 1));
      if (ending === "kill") output.deliverUnacked(pick(output.unacked + 1));
      await run![ending]();
      dropped += output.drops.reduce((n, drop) => n + drop.count, 0);
      history.push(`${ending} at ${next}`);
      messages.push(...run!.messages, `---- ${ending} at ${next}: ${JSON.stringify(output.drops)}`);
      run = undefined;
    };
    const rotate = async (copies: boolean): Promise<void> => {
      // Twice between two looks is too fast where rotated names are files of their own (docs/files.md).
      if (include !== "app.log" && run !== undefined) await allRead();
      history.push(`${copies ? "copytruncate" : "create"} at ${next}`);
      rotations++;
      const dates = names === "dateext" ? ["dateext", `dateformat -20261121-${1000 + rotations}`] : [];
      await logrotate(log, bench.dir, [copies ? "copytruncate" : "create 0644", ...compression, ...dates]);
      // Programs go on writing to the renamed file until they are told; where it is compressed at once, that would be lost.
      if (!copies && pick(2) === 0 && compression.length !== 1) await write();
      firstInFile = next;
      await reopen();
    };
    /** While nobody looks: what is known of the file is lost, and has to be counted when it is looked for. */
    const destroy = async (harm: () => Promise<unknown>): Promise<void> => {
      const content = await readFile(log);
      destroyed.push({ content, from: firstInFile, to: next });
      for (const { identity, points, startPosition } of bench.durable.partitions.values()) {
        const { head, seen: known = 0 } = identity as FileIdentity;
        // Twice the same beginning there is not: each begins with another number.
        if (head.length === 0 || content.length < head.length) continue;
        if (headOf(content.subarray(0, head.length)).hash !== head.hash) continue;
        expectedDrops += Math.max(0, known - Math.min(...points.map((point) => point?.position ?? startPosition)));
      }
      await harm();
      firstInFile = next;
      await reopen();
    };
    start();
    await write();
    await caughtUp();
    for (let round = 0; round < ROUNDS; round++) {
      await write();
      const action = pick(12);
      if (action <= 3) {
        await rotate(action === 3);
        if (pick(2) === 0) await write();
      } else if (action <= 6 && run !== undefined) {
        if (!run.output.autoAck && pick(3) > 0) await allRead();
        await ended(action === 4 ? "stop" : "kill");
      } else if (action === 7 && run === undefined) {
        history.push(`delete at ${next}`);
        await destroy(() => rm(log));
      } else if (action === 8 && run === undefined) {
        history.push(`truncate at ${next}`);
        await destroy(() => truncate(log, 0));
      } else if (action === 9 && run === undefined) {
        // Made and removed until the inode comes back.
        const { ino } = await stat(log);
        let isSame = false;
        await destroy(async () => {
          await rm(log);
          for (let i = 0; i < 50 && !isSame; i++) {
            await (await create()).close();
            isSame = (await stat(log)).ino === ino;
            if (!isSame) await rm(log);
          }
        });
        if (isSame) reused++;
        history.push(`delete at ${next}, made anew${isSame ? " with the same inode" : ""}`);
      } else if (action === 10 && run !== undefined) {
        await caughtUp();
        history.push(`delete at ${next}`);
        await rm(log);
        await reopen();
        firstInFile = next;
      } else if (run === undefined) start();
      else if (pick(2) === 0) await caughtUp();
    }
    if (run === undefined) start();
    await write();
    await caughtUp();
    await ended("stop");
    const about = (): string => `${history.join(", ")}\n${messages.join("\n")}`;
    assert.deepEqual(bench.durable.conflicts, [], about());
    const texts = [...bench.durable.delivered.values()].map((event) => parseInt(event.text, 10));
    const twice = texts.filter((line, i) => texts.indexOf(line) !== i);
    assert.deepEqual(twice, [], about());
    assert.deepEqual(missing(), [], about());
    assert.equal(dropped, expectedDrops, about());
    t.diagnostic(
      `${next} lines, ${rotations} rotations, ${destroyed.length} files destroyed, ${reused} inodes reused, ${dropped} bytes lost`,
    );
  });
}
