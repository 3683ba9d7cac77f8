import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { statusLines } from "../../../src/cli/status-view.ts";
import type { AgentStatus } from "../../../src/runtime/status.ts";
import { HEALTHY, sinkStatus as sink } from "../../support/agent-status.ts";

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
