import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ContainerSplitter, type ContainerFormat } from "../../../src/codec/container-lines.ts";
import type { LineRules, SplitEnd } from "../../../src/codec/lines.ts";

interface Read {
  events: [offset: number, text: string, flags: string | undefined][];
  /** Positions after each call, where reading may begin again. */
  positions: number[];
  position: number;
  dropped: number;
}

/** Events of a text that comes in pieces of `size` bytes, from a position on. */
function read(
  text: string,
  options: { size?: number; from?: number; end?: SplitEnd; format?: ContainerFormat } & Partial<LineRules> = {},
): Read {
  const { size = Infinity, from = 0, end = "all", format = "auto", ...rules } = options;
  const bytes = Buffer.from(text);
  const splitter = new ContainerSplitter({ maxLineBytes: 1024, ...rules }, format);
  const result: Read = { events: [], positions: [], position: from, dropped: 0 };
  for (let seen = Math.min(bytes.length, from + size); ; seen = Math.min(bytes.length, seen + size)) {
    for (;;) {
      const chunk = Buffer.from(bytes.subarray(result.position, seen));
      const split = splitter.split(chunk, result.position, seen === bytes.length ? end : "open");
      for (let i = 0; i < split.count; i++) {
        const flags = split.flags?.get(i)?.join();
        result.events.push([split.offsets[i]!, split.text.slice(split.starts[i], split.ends[i]), flags]);
      }
      result.position += split.consumed;
      result.dropped += split.dropped;
      if (split.consumed === 0) break;
      result.positions.push(result.position);
    }
    if (seen === bytes.length) return result;
  }
}

const docker = (log: string, stream = "stdout", time = "2026-11-21T10:00:00.1Z"): string =>
  `${JSON.stringify({ log, stream, time })}\n`;
const cri = (tag: string, text: string, stream = "stdout"): string =>
  `2026-11-21T10:00:00.123456789Z ${stream} ${tag} ${text}\n`;
const texts = ({ events }: Read): string[] => events.map(([, text]) => text);

describe("logs of containers", () => {
  it("lines that are whole stay as they are", () => {
    const lines = [docker("one\n"), docker('say "hi"\\n\n', "stderr"), cri("F", "two"), "plain\n", cri("F", "")];
    assert.deepEqual(
      texts(read(lines.join(""))),
      lines.map((line) => line.slice(0, -1)),
    );
  });

  it("a line that Docker split is one record again, with the time of its first part, at its offset", () => {
    const long = `ä"\\n${"x".repeat(40)}`;
    const first = docker(long, "stdout", "2026-11-21T10:00:00Z");
    const input = docker("before\n") + first + docker("\\", "stdout", "later") + docker("end\n", "stdout", "last");
    for (const size of [1, 7, 50, Infinity]) {
      const result = read(input + docker("after\n"), { size });
      assert.deepEqual(JSON.parse(result.events[1]![1]), {
        log: `${long}\\end\n`,
        stream: "stdout",
        time: "2026-11-21T10:00:00Z",
      });
      assert.deepEqual(
        result.events.map(([offset]) => offset),
        [0, docker("before\n").length, Buffer.byteLength(input)],
      );
      assert.equal(result.events[1]![2], undefined);
    }
  });

  it("the order and the spacing of the object do not matter", () => {
    const input =
      '{"stream": "stderr", "time": "t", "log": "half "}\n{"time":"u", "log":"a line\\n", "stream":"stderr"}\n';
    assert.deepEqual(texts(read(input)), ['{"log":"half a line\\n","stream":"stderr","time":"t"}']);
  });

  it("a line that a CRI runtime split is one record again", () => {
    const input = cri("P", "one, ") + cri("P", "two, ") + cri("F", "three") + cri("F", "four");
    for (const size of [1, 13, Infinity]) {
      assert.deepEqual(read(input, { size }).events, [
        [0, cri("F", "one, two, three").slice(0, -1), undefined],
        [
          cri("P", "one, ").length + cri("P", "two, ").length + cri("F", "three").length,
          cri("F", "four").slice(0, -1),
          undefined,
        ],
      ]);
    }
  });

  it("streams that are mixed are joined each for itself, in the order in which events begin", () => {
    const input = cri("P", "out ") + cri("P", "err ", "stderr") + cri("F", "OUT") + cri("F", "ERR", "stderr");
    for (const size of [1, 20, Infinity]) {
      const result = read(input, { size });
      assert.deepEqual(texts(result), [cri("F", "out OUT").slice(0, -1), cri("F", "err ERR", "stderr").slice(0, -1)]);
      // Nothing is let go of while one of them is open.
      assert.deepEqual(result.positions, [input.length]);
    }
  });

  it("wherever reading stops, it gives the same events when it begins there again", () => {
    const input = [
      ...[cri("P", "a"), cri("F", "x", "stderr"), cri("F", "A"), cri("P", "b", "stderr"), cri("F", "o")],
      ...[
        cri("F", "B", "stderr"),
        docker("c"),
        docker("C\n"),
        "plain\n",
        cri("P", "never ended"),
        "plain\n",
        cri("F", "z"),
      ],
    ].join("");
    const whole = read(input);
    for (const size of [1, 5, 60]) {
      const { events, positions } = read(input, { size });
      assert.deepEqual(events, whole.events);
      for (const from of positions)
        assert.deepEqual(
          read(input, { from }).events,
          whole.events.filter(([offset]) => offset >= from),
        );
    }
  });

  it("what is not ended waits, and is handed over when it is asked for, as far as it is there", () => {
    const input = cri("F", "one") + cri("P", "half");
    const open = read(input, { end: "open" });
    assert.deepEqual(texts(open), [cri("F", "one").slice(0, -1)]);
    assert.equal(open.position, cri("F", "one").length);
    assert.deepEqual(read(input, { end: "lines" }).events[1], [
      open.position,
      cri("P", "half").slice(0, -1),
      "truncated",
    ]);
  });

  it("a line that is longer than allowed is cut and flagged, and nothing of it is lost", () => {
    const parts = Array.from({ length: 30 }, (_, i) => cri("P", `${i};`.repeat(8)));
    const input = parts.join("") + cri("F", "end") + cri("F", "next");
    for (const size of [1, 100, Infinity]) {
      const result = read(input, { size, maxLineBytes: 400 });
      assert.ok(result.events.length > 3);
      assert.ok(result.events.every(([, text]) => text.length <= 400));
      assert.deepEqual(result.events.at(-1)![1], cri("F", "next").slice(0, -1));
      assert.equal(result.events[0]![2], "truncated");
      const said = result.events.map(([, text]) => text.replace(/^\S+ \S+ \S+ /, "")).join("");
      assert.equal(said, [...parts.map((_, i) => `${i};`.repeat(8)), "end", "next"].join(""));
    }
  });

  it("streams that never end together are cut rather than held for ever", () => {
    const input = Array.from({ length: 200 }, (_, i) => cri("P", `${i}`, i % 2 === 0 ? "stdout" : "stderr")).join("");
    for (const size of [1, 1000]) {
      const result = read(input, { size, maxLineBytes: 500, end: "open" });
      assert.ok(result.position > input.length - 4000);
      assert.deepEqual(result.events, read(input, { maxLineBytes: 500, end: "open" }).events);
    }
  });

  it("a record of which the rest was given up ends what is open, and does not wait", () => {
    const input = cri("P", "half") + cri("F", "y".repeat(5000)) + cri("F", "next");
    for (const size of [1, 100, Infinity]) {
      const result = read(input, { size, maxLineBytes: 200 });
      assert.deepEqual(
        result.events.map(([, , flags]) => flags),
        ["truncated", "truncated", undefined],
      );
      assert.equal(result.dropped, cri("F", "y".repeat(5000)).length - 201);
    }
  });

  it("lines of an application that belong together are joined after that, within a stream", () => {
    const multiline = { startPattern: /^\S/, continuationPattern: undefined, maxLines: 100, maxBytes: 10_000 };
    const trace = cri("F", "Error: no") + cri("P", "  at ") + cri("F", "a.js") + cri("F", "\tat b.js");
    const input = trace + cri("F", "next", "stderr") + docker("Error\n") + docker("  at c.js\n") + docker("last\n");
    for (const size of [1, 40, Infinity]) {
      const result = read(input, { size, multiline });
      assert.deepEqual(result.events, [
        [0, cri("F", "Error: no\n  at a.js\n\tat b.js").slice(0, -1), "multiline"],
        [trace.length, cri("F", "next", "stderr").slice(0, -1), undefined],
        [trace.length + cri("F", "next", "stderr").length, docker("Error\n  at c.js\n").slice(0, -1), "multiline"],
        [input.length - docker("last\n").length, docker("last\n").slice(0, -1), undefined],
      ]);
    }
  });

  it("a format that is named takes nothing for the other", () => {
    const input = cri("P", "a") + docker("b") + cri("F", "c") + docker("d\n");
    const flags = (format: ContainerFormat) => read(input, { format }).events.map(([, , each]) => each);
    assert.deepEqual(flags("docker"), [undefined, "truncated", undefined, undefined]);
    assert.deepEqual(flags("cri"), ["truncated", undefined, undefined, undefined]);
    assert.deepEqual(flags("auto"), ["truncated", "truncated", undefined, undefined]);
  });
});
