import assert from "node:assert/strict";
import { test } from "node:test";
import { csvCell, eventLine } from "../../../src/cli/search-view.ts";
import {
  alignColumns,
  bar,
  displayWidth,
  formatBytes,
  formatCount,
  sparkline,
  terminalOf,
  visible,
} from "../../../src/cli/terminal.ts";

test("colour obeys NO_COLOR, TERM, --no-color and FORCE_COLOR", () => {
  const color = (environment: Record<string, string>, isTTY = true, off = false): boolean =>
    terminalOf({ isTTY }, environment, off).hasColor;
  assert.equal(color({}), true);
  assert.equal(color({}, false), false);
  assert.equal(color({ NO_COLOR: "1" }), false);
  assert.equal(color({ NO_COLOR: "" }), true);
  assert.equal(color({ TERM: "dumb" }), false);
  assert.equal(color({ FORCE_COLOR: "1" }, false), true);
  assert.equal(color({ FORCE_COLOR: "1" }, true, true), false);
  assert.equal(terminalOf({ isTTY: true, columns: 120 }, { COLUMNS: "90" }).width, 90);
});

test("control characters of log text never reach the terminal, colours may", () => {
  assert.equal(visible("a\u001b]52;c;x\u0007b\r\n\u0000\u009b\u202e"), "a␛]52;c;x␇b␍␊␀\\u009b\\u202e");
  assert.equal(visible("\u001b[31mred\u001b[2J", true), "\u001b[31mred␛[2J\u001b[0m");
  assert.equal(visible("\u001b[31mred"), "red");
  const plain = { isTerminal: false, hasColor: false, width: 80, hasUnicode: true };
  const line = eventLine(
    '{"@timestamp":"2026-11-21T10:00:00.285Z","message":"x\\u001b]0;t\\u0007","log":{"level":"error"}}',
    { terminal: plain, fields: undefined, utc: true },
  );
  assert.match(line, /^2026-11-21T10:00:00.285Z {2}error {2} +x␛]0;t␇$/);
});

test("an event without a message is shown by its fields, without those that say nothing of it", () => {
  const terminal = { isTerminal: false, hasColor: false, width: 80, hasUnicode: true };
  const event = {
    ...{ _id: "x", "@timestamp": "2026-11-21T10:00:00Z", host: { name: "web-1" }, log: { offset: 7 } },
    event: { dataset: "nginx.access", kind: "event", category: ["web"], outcome: "failure" },
    http: { request: { method: "GET" }, response: { status_code: 404 } },
    url: { original: "/old page" },
  };
  assert.match(
    eventLine(JSON.stringify(event), { terminal, fields: undefined, utc: true }),
    / nginx\.access {6}event\.outcome=failure http\.request\.method=GET http\.response\.status_code=404 url\.original="\/old page"$/,
  );
});

test("CSV cells that a spreadsheet would run are guarded, numbers stay numbers", () => {
  assert.deepEqual(["=cmd()", "+1+1", "-x", "@a", "-5.5", 'a "b", c', "plain"].map(csvCell), [
    "'=cmd()",
    "'+1+1",
    "'-x",
    "'@a",
    "-5.5",
    '"a ""b"", c"',
    "plain",
  ]);
});

test("bars, sparklines and columns take the room they should", () => {
  assert.equal(bar(1, 10), "██████████");
  assert.equal(bar(0.5, 1), "▌");
  assert.equal(bar(0.0001, 10), "▏");
  assert.equal(bar(0, 10), "");
  assert.equal(bar(0.5, 10, false), "#####");
  assert.equal(sparkline([0, 1, 8]), "▁▁█");
  assert.equal(displayWidth("日本\u001b[31mx\u001b[0m"), 5);
  assert.deepEqual(
    alignColumns([
      ["a", "b"],
      ["日本", "c"],
    ]),
    ["a     b", "日本  c"],
  );
  assert.deepEqual(
    [formatCount(1234567), formatBytes(999), formatBytes(1_440_000), formatBytes(999_600)],
    ["1,234,567", "999 B", "1.4 MB", "1.0 MB"],
  );
});
