import { IDLE_SINK } from "../../scripts/docs/status-sample.ts";
import type { AgentStatus, SinkStatus } from "../../src/runtime/status.ts";

/** A sink as `status` shows it: one that works and was given nothing, but for what `over` says. */
export const sinkStatus = (name: string, type: string, over: Partial<SinkStatus>): SinkStatus => ({
  ...IDLE_SINK,
  ...{ name, type, allowed_requests: 2, allowed_request_bytes: 1000, ...over },
});

const NO_MORE = { created_events: 0, dropped_on_error_events: 0, held_events: 0 };

/** An agent in which all is well. */
export const HEALTHY: AgentStatus = {
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
      ...{
        name: "chat",
        in_events: 1_234_567,
        out_events: 1_234_000,
        skipped_events: 0,
        compiled_events: 0,
        routes: {},
      },
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
  sinks: [sinkStatus("here", "local", { routed_events: 1_234_000, delivered_events: 1_234_000, requests: 300 })],
};
