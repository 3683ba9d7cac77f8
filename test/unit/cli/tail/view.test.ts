import assert from "node:assert/strict";
import { test } from "node:test";
import { severityOfFields, severityOfText } from "../../../../src/cli/tail/severity.ts";
import { highlightPattern, rowLines, type Row, type ViewOptions } from "../../../../src/cli/tail/view.ts";

const COLOUR: ViewOptions = {
  terminal: { isTerminal: true, hasColor: true, width: 80, hasUnicode: true },
  ...{ folds: true, highlight: [], labels: [] },
};
const PLAIN: ViewOptions = { ...COLOUR, terminal: { ...COLOUR.terminal, hasColor: false } };
const row = (text: string, over: Partial<Row> = {}): Row => ({
  ...{ label: undefined, lines: text.split("\n"), severity: "normal", ...over },
});

test("a row is coloured by its severity, and not at all without colour", () => {
  assert.deepEqual(rowLines(row("bad", { severity: "error" }), COLOUR), ["\u001b[31mbad\u001b[39m"]);
  assert.deepEqual(rowLines(row("bad", { severity: "error" }), PLAIN), ["bad"]);
  assert.deepEqual(rowLines(row("fine"), COLOUR), ["fine"]);
});

test("a stack trace is folded to its first line and a count; other lines that belong together are not", () => {
  const trace = row("Error: x\n    at a (b.js:1:2)\n    at c (d.js:3:4)");
  assert.deepEqual(rowLines(trace, PLAIN), ["Error: x  +2 lines"]);
  assert.equal(rowLines(trace, PLAIN, false).length, 3);
  assert.equal(rowLines(row("A list:\n  - one\n  - two"), PLAIN).length, 3);
});

test("orders to the terminal are shown, not obeyed", () => {
  const [line = ""] = rowLines(row("a\u001b]52;c;aGk=\u0007b\u001b[2Jc\rd"), COLOUR);
  assert.doesNotMatch(line, /[\u0000-\u001f]/);
  assert.match(line, /␛\]52/);
});

test("text keeps its own colours where there is colour, and loses them elsewhere", () => {
  assert.match(rowLines(row("\u001b[32mok\u001b[0m"), COLOUR)[0]!, /\u001b\[32mok/);
  assert.deepEqual(rowLines(row("\u001b[32mok\u001b[0m"), PLAIN), ["ok"]);
});

test("highlighted text is marked as it stands, whatever its case, also inside a colour", () => {
  const view = { ...COLOUR, highlight: [highlightPattern("a.b"), highlightPattern("B")] };
  assert.deepEqual(rowLines(row("x A.B axb", { severity: "error" }), view), [
    "\u001b[31mx \u001b[7mA.B\u001b[27m ax\u001b[7mb\u001b[27m\u001b[39m",
  ]);
});

test("rows of several inputs begin with the input's name, all equally wide", () => {
  const view = { ...PLAIN, labels: ["a.log", "long.log"] };
  assert.deepEqual(rowLines(row("x", { label: "a.log" }), view), ["a.log    x"]);
});

test("severity comes from the level, or else from the status of HTTP", () => {
  assert.equal(severityOfFields("ERROR", 200), "error");
  assert.equal(severityOfFields(40, undefined), "warning");
  assert.equal(severityOfFields(undefined, 503), "error");
  assert.equal(severityOfFields(undefined, 404), "warning");
  assert.equal(severityOfFields(undefined, 200), undefined);
});

test("severity of text is what a reader would see at its beginning", () => {
  assert.equal(severityOfText("2026-11-21 10:00:00,123 ERROR app - no"), "error");
  assert.equal(severityOfText("[warn] disk is filling"), "warning");
  assert.equal(severityOfText("level=debug msg=x"), "quiet");
  assert.equal(severityOfText("0 errors, all is well"), "normal");
  assert.equal(severityOfText('Traceback (most recent call last):\n  File "a.py", line 1'), "error");
  assert.equal(severityOfText("the word ERROR stands far behind ".padStart(400, ".")), "normal");
});
