import assert from "node:assert/strict";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Bench, FAST } from "../../support/file-source.ts";
import { MemoryOutput, until } from "../../support/source-output.ts";

describe("files in other encodings", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await Bench.make();
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  it("are decoded as the option says, with offsets in bytes, and go on where they were", async () => {
    const log = bench.path("a.log");
    await writeFile(log, Buffer.from("2026 \n", "latin1"));
    await appendFile(log, Buffer.from("8f4997b90a", "hex"));
    const options = { include: [log], encoding: "shift_jis" };
    const first = await bench.once(options);
    assert.deepEqual(
      first.events().map(({ offset, text }) => [offset, text]),
      [
        [0, "2026 "],
        [6, "終了"],
      ],
    );
    await appendFile(log, Buffer.from("835c0a", "hex"));
    assert.deepEqual((await bench.once(options)).texts(), ["ソ"]);
  });

  for (const order of ["le", "be"] as const) {
    it(`UTF-16 (${order}) is recognised by its mark, also when reading begins in the middle`, async () => {
      const encode = (text: string): Buffer => {
        const bytes = Buffer.from(text, "utf16le");
        return order === "le" ? bytes : bytes.swap16();
      };
      const log = bench.path("a.log");
      await writeFile(log, encode("\ufeffgrün\r\nzwei\n"));
      const run = bench.start({ include: [log], encoding: "windows-1252", read_chunk_bytes: 1024, ...FAST });
      await until(() => run.output.count === 2);
      const bytes = encode("ਊdrei\nvier\nfü");
      for (const byte of bytes) await appendFile(log, Buffer.of(byte));
      await until(() => run.output.count === 4);
      await run.stop();
      assert.deepEqual(run.output.texts(), ["grün", "zwei", "ਊdrei", "vier"]);
      await appendFile(log, encode("nf\n"));
      const second = await bench.once({ include: [log] });
      assert.deepEqual(second.texts(), ["fünf"]);
      assert.equal(second.events()[0]!.offset, encode("\ufeffgrün\r\nzwei\nਊdrei\nvier\n").length);
      assert.deepEqual(second.drops, []);
    });
  }

  it("a mark that comes byte by byte is waited for, and a rotated file keeps its encoding", async () => {
    const log = bench.path("a.log");
    await writeFile(log, "");
    const run = bench.start({ include: [log], ...FAST });
    await until(() => run.output.opened.length === 1);
    await appendFile(log, Buffer.of(0xff));
    await until(() => run.source.inputs()[0]!.sizeBytes === 1);
    await appendFile(log, Buffer.of(0xfe));
    await appendFile(log, Buffer.from("eins\nzw", "utf16le"));
    await until(() => run.output.count === 1);
    await rename(log, bench.path("a.log.1"));
    await appendFile(bench.path("a.log.1"), Buffer.from("ei\n", "utf16le"));
    await writeFile(log, "plain again\n");
    await until(() => run.output.count === 3);
    assert.deepEqual(run.output.texts(), ["eins", "zwei", "plain again"]);
  });

  it("a position that an older version left in the middle of a line end is made good", async () => {
    const log = bench.path("a.log");
    await writeFile(log, Buffer.from("\ufeffone\ntwo\n", "utf16le"));
    const [partition] = await bench.once({ include: [log] }).then((output) => output.opened);
    const kept = bench.durable.partitions.get(partition!.id)!;
    kept.points = [{ position: 9, resume: { tail: "" } }];
    const again = await bench.once({ include: [log] }, new MemoryOutput(bench.durable));
    assert.deepEqual(again.texts(), ["two"]);
    assert.equal(again.events()[0]!.offset, 10);
  });
});
