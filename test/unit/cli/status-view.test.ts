import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { statusLines } from "../../../src/cli/status-view.ts";
import type { AgentStatus, SinkStatus } from "../../../src/runtime/status.ts";

const sink = (name: string, type: string, over: Partial<SinkStatus>): SinkStatus => ({
  ...{
    name,
    type,
    state: "working",
    routed_events: 0,
    from_pipelines_events: 0,
    replayed_events: 0,
    delivered_events: 0,
    queued_events: 0,
    dead_lettered_events: 0,
  },
  ...{
    retried_events: 0,
    requests: 0,
    in_flight_requests: 0,
    allowed_requests: 2,
    allowed_request_bytes: 1000,
    request_seconds: 0,
    sent_bytes: 0,
    oldest_queued_seconds: null,
  },
  ...{ found_in_journal_events: 0, queued_in_memory_events: 0, queued_in_journal_events: 0, dropped_events: {} },
  ...{ failing_since: null, next_attempt: null, last_error: null, notes: [], ...over },
});

const NO_MORE = { created_events: 0, dropped_on_error_events: 0, held_events: 0 };

const HEALTHY: AgentStatus = {
  ...{
    version: "1.2.3",
    pid: 4711,
    hostname: "web-1",
    config_file: "config/host.json",
    state_dir: "/var/lib/wiretail",
  },
  ...{ started_at: "2026-11-21T10:00:00.000Z", now: "2026-11-21T12:30:05.000Z", uptime_seconds: 9005 },
  ...{ healthy: true, checkpoint_error: null, dead_letters_dropped: 0 },
  dead_letters: { letters: 0, bytes: 0, max_bytes: 0, oldest_at: null, dropped: { budget: 0, age: 0 } },
  journal: { used_bytes: 0, max_bytes: 1 << 30, records: 0, oldest_at: null, full: false, error: null, orphans: [] },
  memory: { queued_bytes: 12_345, budget_bytes: 33_554_432, resident_bytes: 98_000_000 },
  sources: [
    {
      ...{
        name: "chat",
        type: "file",
        state: "running",
        error: null,
        waiting_since: null,
        waiting_for: null,
        eta_seconds: 0,
      },
      ...{
        read_events: 1_234_567,
        read_bytes: 98_765_432,
        dropped: {},
        into_pipelines_events: {},
        dropped_events: {},
        lag_bytes: 0,
        lag_seconds: 0,
      },
      inputs: [
        {
          ...{ name: "/var/log/chat/connections.log", state: "idle", size_bytes: 98_765_432, read_bytes: 98_765_432 },
          ...{ delivered_bytes: 98_765_432, lag_bytes: 0, lag_seconds: 0, error: null, waiting_for: null },
          ...{ delivered_bytes_per_second: 0, grown_bytes_per_second: 0, eta_seconds: 0, behind: null },
        },
      ],
    },
  ],
  pipelines: [
    {
      ...{ name: "chat", in_events: 1_234_567, out_events: 1_234_000, skipped_events: 0, routes: {} },
      stages: [
        {
          ...{ stage: "1 parse_regex", in_events: 1_234_567, out_events: 1_234_567, dropped_events: 0, ...NO_MORE },
          ...{ dead_lettered_events: 0, failed_events: 12, seconds: 1.5 },
        },
        {
          ...{ stage: "2 filter", in_events: 1_234_567, out_events: 1_234_000, dropped_events: 567, ...NO_MORE },
          ...{ dead_lettered_events: 0, failed_events: 0, seconds: 0.5 },
        },
      ],
    },
  ],
  equations: [],
  slowest_stage: { pipeline: "chat", stage: "1 parse_regex", share: 0.75 },
  sinks: [sink("here", "local", { routed_events: 1_234_000, delivered_events: 1_234_000, requests: 300 })],
};

const TROUBLED: AgentStatus = {
  ...HEALTHY,
  equations: [
    {
      ...{ of: "sink", name: "es", text: "10 routed = 4 delivered + 5 queued", holds: false },
      ...{ left: { routed: 10 }, right: { delivered: 4, queued: 5 } },
    },
  ],
  ...{ healthy: false, checkpoint_error: "ENOSPC: no space left on device", dead_letters_dropped: 1240 },
  dead_letters: {
    ...{ letters: 900, bytes: 250_000_000, max_bytes: 268_435_456, oldest_at: "2026-11-20T10:00:00.000Z" },
    dropped: { budget: 1200, age: 40 },
  },
  sources: [
    {
      ...HEALTHY.sources[0]!,
      ...{ state: "waiting", waiting_since: "2026-11-21T12:00:00.000Z", lag_bytes: 5_000_000, lag_seconds: 1805 },
      waiting_for: {
        ...{ reason: "memory_budget", since: "2026-11-21T12:00:00.000Z", sinks: ["es"] },
        detail: "the memory budget of 33554432 bytes is used up: es is holding: 403 blocked",
      },
      eta_seconds: null,
      dropped: { line_too_long: 4096 },
      inputs: Array.from({ length: 12 }, (_, i) => ({
        ...{ name: `/var/log/chat/${i}.log`, state: i === 3 ? "failed" : "reading", size_bytes: 1_000_000 },
        ...{ read_bytes: 900_000, delivered_bytes: 500_000, lag_bytes: i * 1000, lag_seconds: i },
        ...{ delivered_bytes_per_second: 500, grown_bytes_per_second: 0, eta_seconds: i * 2, behind: "es" },
        error: i === 3 ? "EACCES: permission denied" : null,
        waiting_for: null,
      })),
    },
    {
      ...HEALTHY.sources[0]!,
      ...{ name: "cmd", type: "command", state: "failed", error: "spawn tcpdump ENOENT", inputs: [] },
      ...{ read_events: 0, read_bytes: 0 },
    },
  ],
  sinks: [
    sink("es", "elasticsearch", {
      ...{ state: "holding", routed_events: 1_234_000, delivered_events: 1_000_000, queued_events: 233_000 },
      ...{ dead_lettered_events: 1000, failing_since: "2026-11-21T12:00:00.000Z" },
      next_attempt: "2026-11-21T12:30:20.000Z",
      last_error: { message: "security_exception: action is unauthorized", at: "2026-11-21T12:30:00.000Z" },
      notes: ["the node http://es-2:9200 is left out: connect ECONNREFUSED 192.0.2.7:9200"],
    }),
    sink("cw", "cloudwatch_logs", {
      ...{ state: "retrying", routed_events: 10, delivered_events: 4, queued_events: 6 },
      last_error: { message: "ThrottlingException: Rate exceeded", at: "2026-11-21T12:30:04.000Z" },
    }),
  ],
};

/** Compares with a file; `UPDATE_GOLDEN=1` writes it instead. */
function golden(name: string, status: AgentStatus): void {
  const lines = statusLines(status, { paint: (_style, text) => text, width: 200, maxInputs: 10 });
  const text = lines.join("\n") + "\n";
  const file = `test/golden/status/${name}.txt`;
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, text);
  assert.equal(text, readFileSync(file, "utf8"));
}

test("an agent without trouble is told in a few lines", () => {
  golden("healthy", HEALTHY);
});

test("trouble is marked, worst first, with its reason and what to do", () => {
  golden("troubled", TROUBLED);
});

test("counts that do not add up are marked", () => {
  const broken = { ...HEALTHY, sinks: [sink("es", "elasticsearch", { routed_events: 10, delivered_events: 9 })] };
  const lines = statusLines(broken, { paint: (_style, text) => text, width: 200, maxInputs: 10 });
  assert.ok(lines.some((line) => line.includes("10 routed = 9 delivered + 0 queued + 0 dead-lettered ✗")));
});
