import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { COLOURED, PLAIN, prettyLine, wantsColour } from "../../../../src/sinks/stdout/pretty.ts";
import { CLOSED_PIPE, StdoutSink } from "../../../../src/sinks/stdout/sink.ts";
import { makeBatch, makeSinkBatch } from "../../../support/batches.ts";

const never = new AbortController().signal;
const event = {
  "@timestamp": "2026-11-21T10:00:00.285Z",
  log: { level: "warning", file: { path: "/a" }, offset: 3 },
  message: "disk is filling",
  host: { name: "h" },
  event: { action: "check" },
  note: "two words",
  size: 7,
};

test("a pretty line has the time, the level, the message and the fields that differ between events", () => {
  assert.equal(
    prettyLine(event, PLAIN),
    '2026-11-21T10:00:00.285Z WARN  disk is filling event.action=check note="two words" size=7\n',
  );
});

test("an event without a level keeps the column, and an unknown level is shown as it is", () => {
  assert.equal(prettyLine({ "@timestamp": "T", message: "m" }, PLAIN), "T       m\n");
  assert.equal(prettyLine({ "@timestamp": "T", log: { level: "verbose" }, message: "m" }, PLAIN), "T VERBO m\n");
});

test("levels are coloured, and without colour no escape is written", () => {
  assert.ok(prettyLine(event, COLOURED).includes("\u001b[33mWARN \u001b[39m"));
  assert.ok(!prettyLine(event, PLAIN).includes("\u001b"));
});

test("control characters of the input never reach the terminal", () => {
  const evil = {
    "@timestamp": "\u001b[2J",
    message: "a\u001b]52;c;x\u0007b\u009b31m\u007f\ttab",
    "na\u001bme": "v\u001b",
  };
  const line = prettyLine(evil, PLAIN);
  assert.ok(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(line), JSON.stringify(line));
  assert.ok(line.includes("a␛]52;c;x␇b\ufffd31m␡\ttab"));
});

test("NO_COLOR wins over everything, FORCE_COLOR over the kind of output", () => {
  assert.equal(wantsColour(true, {}), true);
  assert.equal(wantsColour(false, {}), false);
  assert.equal(wantsColour(true, { NO_COLOR: "1", FORCE_COLOR: "1" }), false);
  assert.equal(wantsColour(true, { NO_COLOR: "" }), true);
  assert.equal(wantsColour(false, { FORCE_COLOR: "1" }), true);
  assert.equal(wantsColour(true, { FORCE_COLOR: "0" }), false);
  assert.equal(wantsColour(true, { TERM: "dumb" }), false);
});

test("a call is answered only when the stream has taken its bytes", async () => {
  let release: (() => void) | undefined;
  const stream = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void (release = done) });
  const sink = new StdoutSink(stream, "text", PLAIN);
  const batch = makeBatch({ lines: ["a"], encoding: { kind: "text" } });
  let isDone = false;
  const writing = sink.write(makeSinkBatch(batch, sink.encoding), never).then((result) => {
    isDone = true;
    return result;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isDone, false);
  release!();
  assert.deepEqual(await writing, { outcome: "delivered" });
  await sink.close();
});

test("a closed pipe holds the events with a reason that the CLI knows, and ends nothing", async () => {
  const stream = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
  });
  const sink = new StdoutSink(stream, "text", PLAIN);
  const batch = makeSinkBatch(makeBatch({ lines: ["a"], encoding: { kind: "text" } }), sink.encoding);
  assert.deepEqual(await sink.write(batch, never), { outcome: "hold", reason: CLOSED_PIPE });
  assert.deepEqual(await sink.write(batch, never), { outcome: "hold", reason: CLOSED_PIPE });
  assert.equal((await sink.probe())[0]!.ok, false);
  await sink.close();
});

test("pretty output shows every document of every slice in order", async () => {
  let text = "";
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const sink = new StdoutSink(stream, "pretty", PLAIN);
  const a = makeBatch({ lines: ["a", "b"], encoding: sink.encoding });
  const b = makeBatch({ lines: ["c"], encoding: sink.encoding });
  await sink.write(makeSinkBatch([{ batch: a, from: 1, to: 2 }, b], sink.encoding), never);
  assert.deepEqual(
    text.split("\n").map((line) => line.slice(-1)),
    ["b", "c", ""],
  );
  await sink.close();
});
