import assert from "node:assert/strict";
import { test } from "node:test";
import { arranged, topRows } from "../../../../src/cli/top/model.ts";
import { cut, nextSort, topScreen, type TopChoice, type TopView } from "../../../../src/cli/top/view.ts";
import { displayWidth } from "../../../../src/cli/terminal.ts";
import type { AgentStatus } from "../../../../src/runtime/status.ts";
import { HEALTHY, sinkStatus } from "../../../support/agent-status.ts";

const [source] = HEALTHY.sources;
const [pipeline] = HEALTHY.pipelines;

/** Two seconds later. */
const LATER: AgentStatus = {
  ...HEALTHY,
  uptime_seconds: HEALTHY.uptime_seconds + 2,
  sources: [{ ...source!, read_events: source!.read_events + 2000, read_bytes: source!.read_bytes + 400_000 }],
  pipelines: [
    {
      ...{ ...pipeline!, in_events: pipeline!.in_events + 2000, out_events: pipeline!.out_events + 1000 },
      stages: pipeline!.stages.map((stage, i) => ({
        ...{ ...stage, in_events: stage.in_events + 2000, seconds: stage.seconds + (i === 0 ? 0.3 : 0.1) },
        failed_events: stage.failed_events + (i === 0 ? 3 : 0),
      })),
    },
  ],
  sinks: [
    sinkStatus("here", "local", {
      ...{ routed_events: 1_235_000, delivered_events: 1_234_600, queued_events: 400, state: "retrying" },
      ...{ retried_events: 7, last_error: { message: "no answer", at: "2026-11-21T12:30:06.000Z" } },
    }),
  ],
};

const CHOICE: TopChoice = {
  ...{ sort: "pipeline", filter: "", isTyping: false, isPaused: false, showsHelp: false, selected: 0 },
};

function viewOf(columns: number, height: number, over: Partial<TopView> = {}): TopView {
  return {
    terminal: { isTerminal: true, hasColor: false, width: columns, hasUnicode: true },
    ...{ height, choice: CHOICE, history: new Map(), problem: undefined, ...over },
  };
}

test("rates are over the interval, and time is shared among stages", () => {
  const rows = topRows(HEALTHY, LATER);
  assert.deepEqual(
    rows.map(({ point, inPerSecond, outPerSecond, share }) => [point, inPerSecond, outPerSecond, share?.toFixed(2)]),
    [
      ["source:chat", 1000, 1000, undefined],
      ["pipeline:chat", 1000, 500, "1.00"],
      ["chat/1 parse_regex", 1000, 0, "0.75"],
      ["chat/2 filter", 1000, 0, "0.25"],
      ["sink:here", 500, 300, undefined],
    ],
  );
  const [parse, sink] = [rows[2]!, rows[4]!];
  assert.deepEqual([parse.errors, parse.newErrors], [15, 3]);
  assert.deepEqual([sink.queued, sink.errors, sink.trouble], [400, 7, "no answer"]);
});

test("a compiled pipeline is shown as a whole: its time is not said to be one stage's", () => {
  const compiled: AgentStatus = {
    ...LATER,
    pipelines: LATER.pipelines.map((each) => ({ ...each, compiled_events: 2000 })),
  };
  const rows = topRows(HEALTHY, compiled);
  assert.deepEqual(
    rows.slice(1, 4).map(({ state, share }) => [state, share?.toFixed(2)]),
    [
      ["compiled", "1.00"],
      ["", undefined],
      ["", undefined],
    ],
  );
});

test("counters that began anew, and rows that were not there, give no wild rates", () => {
  const fresh: AgentStatus = { ...LATER, sources: [{ ...source!, read_events: 5, read_bytes: 100 }] };
  for (const row of topRows(LATER, fresh)) assert.ok(row.inPerSecond >= 0 && row.inPerSecond < 1e6, row.point);
  const none: AgentStatus = { ...HEALTHY, sources: [], pipelines: [], sinks: [] };
  for (const row of topRows(none, LATER)) assert.equal(row.inPerSecond, 0, row.point);
});

test("rows are sorted by rate, lag, errors and time, and filtered by name and state", () => {
  const rows = topRows(HEALTHY, LATER);
  assert.equal(arranged(rows, "rate", "")[4]!.point, "sink:here");
  assert.equal(arranged(rows, "lag", "")[0]!.point, "sink:here");
  assert.equal(arranged(rows, "errors", "")[0]!.point, "sink:here");
  assert.equal(arranged(rows, "time", "")[1]!.point, "chat/1 parse_regex");
  assert.deepEqual(
    arranged(rows, "pipeline", "RETRY").map(({ point }) => point),
    ["sink:here"],
  );
  assert.equal(nextSort("time"), "pipeline");
});

test("the table of a wide terminal", () => {
  const screen = topScreen(LATER, topRows(HEALTHY, LATER), viewOf(120, 10));
  assert.equal(screen.length, 10);
  assert.match(screen[0]!, /^wiretail 1\.2\.3 web-1 {2}✓ healthy/);
  assert.match(screen[1]!, /^NAME +STATE +IN\/s +OUT\/s +BYTES\/s +LAG\/QUEUE +DROPPED +ERRORS +TIME$/);
  assert.match(screen[2]!, /^chat \(source, file\) +✓ running +1,000 +1,000 +200\.0 kB +0 *$/);
  assert.match(screen[4]!, /^ {4}1 parse_regex +1,000 +0 +15 \+3 +75 %$/);
  assert.match(screen[6]!, /^here \(sink, local\) +! retrying +500 +300 .*400 ev +7 \+7 *$/);
  assert.match(screen[9]!, /sorted by pipeline .*q quit/);
});

test("no line is wider and no screen higher than the terminal, however small, in any state", () => {
  const rows = topRows(HEALTHY, LATER);
  const history = new Map(rows.map(({ point }) => [point, [1, 5, 3]]));
  const choices: Partial<TopChoice>[] = [
    ...[{}, { isTyping: true, filter: "ch" }, { showsHelp: true }, { isPaused: true }, { selected: 4 }],
  ];
  for (const columns of [20, 40, 56, 64, 80, 92, 100, 133, 200]) {
    for (const height of [4, 6, 10, 24]) {
      for (const choice of choices) {
        for (const problem of [undefined, "no agent answers for the state directory /var/lib/wiretail"]) {
          for (const hasColor of [false, true]) {
            const view = viewOf(columns, height, { choice: { ...CHOICE, ...choice }, history, problem });
            const screen = topScreen(LATER, rows, { ...view, terminal: { ...view.terminal, hasColor } });
            assert.ok(screen.length <= height, `${columns}×${height}: ${screen.length} lines`);
            for (const line of screen) assert.ok(displayWidth(line) <= columns, `${columns}: ${JSON.stringify(line)}`);
          }
        }
      }
    }
  }
});

test("the marked row is in sight, and what is wrong with it is said", () => {
  const rows = topRows(HEALTHY, LATER);
  const screen = topScreen(LATER, rows, viewOf(100, 5, { choice: { ...CHOICE, selected: 4 } }));
  assert.match(screen.join("\n"), /here \(sink/);
  assert.equal(screen.at(-1), "no answer");
});

test("an agent that does not answer, and a filter that fits nothing, are said on the screen", () => {
  const rows = topRows(HEALTHY, LATER);
  const gone = topScreen(LATER, rows, viewOf(100, 20, { problem: "it does not run" }));
  assert.match(gone[1]!, /✗ the last numbers, because it does not run/);
  const none = topScreen(LATER, [], viewOf(100, 20, { choice: { ...CHOICE, filter: "nope" } }));
  assert.match(none.join("\n"), /nothing contains "nope"/);
});

test("text is cut by cells, with its styles closed", () => {
  assert.equal(cut("abcdef", 4), "abc…");
  assert.equal(cut("\u001b[31mabcdef\u001b[39m", 4), "\u001b[31mabc…\u001b[0m");
  assert.equal(displayWidth(cut("日本語テスト", 5)), 5);
});
