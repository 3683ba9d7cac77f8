import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import { StdinSource } from "../../../src/sources/stdin/index.ts";
import { MemoryOutput, sourceContext } from "../../support/source-output.ts";

const options = { max_line_bytes: 1000, encoding: "utf-8" };

describe("stdin", () => {
  it("takes UTF-16 by its byte order mark, however the bytes come in", async () => {
    for (const size of [1, 3, 100]) {
      const input = new PassThrough();
      const output = new MemoryOutput();
      const run = new StdinSource(options, sourceContext("/nonexistent"), input).run(
        output,
        new AbortController().signal,
      );
      const bytes = Buffer.from("\ufeffgrün\r\nਊ half", "utf16le");
      for (let at = 0; at < bytes.length; at += size) input.write(bytes.subarray(at, at + size));
      input.end();
      await run;
      assert.deepEqual(output.texts(), ["grün", "ਊ half"]);
    }
  });

  it("numbers its lines, leaves log.offset out, and ends at the end of its input", async () => {
    const input = new PassThrough();
    const output = new MemoryOutput();
    const source = new StdinSource(options, sourceContext("/nonexistent"), input);
    const run = source.run(output, new AbortController().signal);
    input.write("one\ntw");
    input.write("o\r\nthree");
    input.end();
    await run;
    assert.deepEqual(
      output.events().map(({ offset, text }) => [offset, text]),
      [
        [0, "one"],
        [1, "two"],
        [2, "three"],
      ],
    );
    assert.equal(output.batches[0]!.partition.envelope.offsetPath, undefined);
    assert.equal(
      output.batches.reduce((n, batch) => n + batch.byteLength, 0),
      14,
    );
    assert.equal(source.inputs()[0]!.state, "finished");
    assert.equal(source.inputs()[0]!.readBytes, 14);
    assert.deepEqual(output.forgotten, [output.opened[0]!.id]);
  });

  it("hands over a half line when it is stopped, because it cannot be read again", async () => {
    const input = new PassThrough();
    const output = new MemoryOutput();
    const stop = new AbortController();
    const run = new StdinSource(options, sourceContext("/nonexistent"), input).run(output, stop.signal);
    input.write("one\nhalf");
    while (output.count < 1) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await run;
    assert.deepEqual(output.texts(), ["one", "half"]);
  });

  it("does not read on while there is no room", async () => {
    const input = new PassThrough({ highWaterMark: 16 });
    const output = new MemoryOutput();
    output.autoAck = false;
    output.room = 1;
    const run = new StdinSource(options, sourceContext("/nonexistent"), input).run(
      output,
      new AbortController().signal,
    );
    input.write("one\n");
    while (output.count < 1) await new Promise((resolve) => setImmediate(resolve));
    input.write("two\n");
    input.end("three\n");
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(output.texts(), ["one"]);
    output.room = Infinity;
    output.ackAll();
    await run;
    assert.deepEqual(output.texts(), ["one", "two", "three"]);
  });
});
