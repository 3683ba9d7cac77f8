import assert from "node:assert/strict";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Bench, FAST } from "../../support/file-source.ts";
import { MemoryOutput, until } from "../../support/source-output.ts";

/** Each event with the header line that it came with. */
const seen = (output: MemoryOutput): [string, unknown][] =>
  output.batches.flatMap((batch) => {
    const { paths, values } = batch.partition.envelope;
    const header = values[paths.findIndex((path) => path.name === "log.header")];
    return Array.from({ length: batch.count }, (_, i): [string, unknown] => [
      batch.text.slice(batch.starts[i], batch.ends[i]),
      header,
    ]);
  });

describe("header lines in files", () => {
  let bench: Bench;
  let log: string;
  const options = () => ({ include: [log], header_prefix: "#Fields:" });
  beforeEach(async () => {
    bench = await Bench.make();
    log = bench.path("ex.log");
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  it("come with the events after them, also when reading begins again in the middle", async () => {
    await writeFile(log, "#Software: x\n#Fields: a b\n1 2\n");
    assert.deepEqual(seen(await bench.once(options())), [
      ["#Software: x", undefined],
      ["#Fields: a b", "#Fields: a b"],
      ["1 2", "#Fields: a b"],
    ]);
    await appendFile(log, "3 4\n#Fields: c\n5\n");
    assert.deepEqual(seen(await bench.once(options())), [
      ["3 4", "#Fields: a b"],
      ["#Fields: c", "#Fields: c"],
      ["5", "#Fields: c"],
    ]);
    await appendFile(log, "6\n");
    assert.deepEqual(seen(await bench.once(options())), [["6", "#Fields: c"]]);
  });

  it("come with the first event of a file that is begun at its end", async () => {
    await writeFile(log, "#Fields: a b\n1 2\n");
    const run = bench.start({ ...options(), start_at: "end", ...FAST });
    await until(() => run.source.inputs()[0]?.state === "idle");
    await appendFile(log, "3 4\n");
    await until(() => run.output.count === 1);
    await run.stop();
    assert.deepEqual(seen(run.output), [["3 4", "#Fields: a b"]]);
  });

  it("are right for each sink after a kill between two of them", async () => {
    const text = Array.from({ length: 400 }, (_, i) => (i % 40 === 0 ? `#Fields: f${i}` : `line ${i}`)).join("\n");
    await writeFile(log, `${text}\n`);
    const killed = new MemoryOutput(bench.durable, { routes: 2 });
    killed.autoAck = false;
    const run = bench.start({ ...options(), read_chunk_bytes: 1024, ...FAST }, { output: killed });
    await until(() => killed.count === 400);
    killed.ack(3, 0);
    killed.ack(1, 1);
    await run.kill();
    const output = await bench.once(options(), new MemoryOutput(bench.durable, { routes: 2 }));
    for (const [line, header] of seen(output)) {
      const number = Number(/\d+$/.exec(line)![0]);
      assert.equal(header, `#Fields: f${number - (number % 40)}`);
    }
    assert.deepEqual(bench.durable.conflicts, []);
    assert.equal(bench.durable.delivered.size, 800);
  });

  it("stay in force through rotation, and a new file begins without", async () => {
    await writeFile(log, "#Fields: a\n1\n");
    const run = bench.start({ ...options(), ...FAST });
    await until(() => run.output.count === 2);
    await rename(log, `${log}.1`);
    await appendFile(`${log}.1`, "2\n");
    await writeFile(log, "3\n#Fields: b\n4\n");
    await until(() => run.output.count === 6);
    await run.stop();
    assert.deepEqual(seen(run.output).slice(2), [
      ["2", "#Fields: a"],
      ["3", undefined],
      ["#Fields: b", "#Fields: b"],
      ["4", "#Fields: b"],
    ]);
  });

  it("that nobody noted are looked for at the beginning of the file", async () => {
    await writeFile(log, "#Fields: a\n1\n");
    await bench.once({ include: [log] });
    await appendFile(log, "2\n");
    assert.deepEqual(seen(await bench.once(options())), [["2", "#Fields: a"]]);
  });
});
