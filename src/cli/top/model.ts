import type { AgentStatus } from "../../runtime/status.ts";

/** A source, pipeline, stage or sink, as a line of the table. Rates are a second, over the last interval. */
export interface TopRow {
  /** As `wiretail tap` takes it. */
  readonly point: string;
  readonly kind: "source" | "pipeline" | "stage" | "sink";
  readonly label: string;
  readonly type: string;
  readonly state: string;
  readonly isBad: boolean;
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  readonly bytesPerSecond: number | undefined;
  /** Input of a source that is not delivered yet. */
  readonly lagBytes: number | undefined;
  readonly lagSeconds: number | undefined;
  /** Events that wait for a sink. */
  readonly queued: number | undefined;
  /** Left out on purpose, since the start. */
  readonly dropped: number;
  /** Failed, refused or given up, since the start, and in the last interval. */
  readonly errors: number;
  readonly newErrors: number;
  /** Share of all time spent in stages. Undefined where it cannot be told apart, or nothing was done. */
  readonly share: number | undefined;
  /** A sentence about what is wrong. */
  readonly trouble: string | undefined;
}

/** What `top` shows: rows in the order in which events pass, from two looks at an agent. */
export function topRows(before: AgentStatus, now: AgentStatus): TopRow[] {
  const seconds = Math.max(0.001, now.uptime_seconds - before.uptime_seconds);
  // Another process, or a reload: counters began anew.
  const rate = (was: number | undefined, is: number): number => Math.max(0, is - Math.min(is, was ?? 0)) / seconds;
  const rows: TopRow[] = [];
  for (const source of now.sources) {
    const old = before.sources.find(({ name }) => name === source.name);
    const perSecond = rate(old?.read_events ?? source.read_events, source.read_events);
    const broken = source.inputs.find(({ error }) => error !== null);
    rows.push({
      ...{ ...NOTHING, point: `source:${source.name}`, kind: "source", label: source.name, type: source.type },
      ...{ state: source.state, isBad: source.state === "failed", inPerSecond: perSecond, outPerSecond: perSecond },
      bytesPerSecond: rate(old?.read_bytes ?? source.read_bytes, source.read_bytes),
      ...{ lagBytes: source.lag_bytes, lagSeconds: source.lag_seconds },
      errors: source.inputs.filter(({ error }) => error !== null).length,
      trouble:
        source.error ??
        source.waiting_for?.detail ??
        (broken === undefined ? undefined : `${broken.name}: ${broken.error!}`),
    });
  }
  const spent = stageSeconds(now) - stageSeconds(before);
  for (const pipeline of now.pipelines) {
    const old = before.pipelines.find(({ name }) => name === pipeline.name);
    const took = (seconds: number, was: number | undefined): number | undefined =>
      spent > 0 ? Math.min(1, Math.max(0, seconds - Math.min(seconds, was ?? seconds)) / spent) : undefined;
    const all = pipeline.stages.reduce((sum, stage) => sum + stage.seconds, 0);
    const allBefore = old?.stages.reduce((sum, stage) => sum + stage.seconds, 0);
    const compiled = pipeline.compiled_events - (old?.compiled_events ?? pipeline.compiled_events);
    const isCompiled = compiled > (pipeline.in_events - (old?.in_events ?? pipeline.in_events)) / 2;
    rows.push({
      ...{ ...NOTHING, point: `pipeline:${pipeline.name}`, kind: "pipeline", label: pipeline.name },
      state: isCompiled ? "compiled" : "",
      inPerSecond: rate(old?.in_events ?? pipeline.in_events, pipeline.in_events),
      outPerSecond: rate(old?.out_events ?? pipeline.out_events, pipeline.out_events),
      dropped: pipeline.skipped_events,
      share: pipeline.stages.length === 0 ? undefined : took(all, allBefore),
    });
    pipeline.stages.forEach((stage, index) => {
      const was = old?.stages[index]?.stage === stage.stage ? old.stages[index] : undefined;
      const errors = stage.failed_events;
      rows.push({
        ...{ ...NOTHING, point: `${pipeline.name}/${stage.stage}`, kind: "stage", label: stage.stage },
        inPerSecond: rate(was?.in_events ?? stage.in_events, stage.in_events),
        outPerSecond: rate(was?.out_events ?? stage.out_events, stage.out_events),
        dropped: stage.dropped_events - stage.dropped_on_error_events,
        ...{ errors, newErrors: Math.max(0, errors - (was?.failed_events ?? errors)) },
        // A program is not measured in parts.
        share: isCompiled ? undefined : took(stage.seconds, was?.seconds),
      });
    });
  }
  for (const sink of now.sinks) {
    const old = before.sinks.find(({ name }) => name === sink.name);
    const errors = errorsOf(sink);
    rows.push({
      ...{ ...NOTHING, point: `sink:${sink.name}`, kind: "sink", label: sink.name, type: sink.type },
      ...{ state: sink.state, isBad: sink.state !== "working" },
      inPerSecond: rate(old?.routed_events ?? sink.routed_events, sink.routed_events),
      outPerSecond: rate(old?.delivered_events ?? sink.delivered_events, sink.delivered_events),
      bytesPerSecond: rate(old?.sent_bytes ?? sink.sent_bytes, sink.sent_bytes),
      queued: sink.queued_events,
      ...{ errors, newErrors: Math.max(0, errors - (old === undefined ? errors : errorsOf(old))) },
      trouble: sink.state === "working" ? undefined : sink.last_error?.message,
    });
  }
  return rows;
}

const NOTHING = {
  ...{ type: "", state: "", isBad: false, inPerSecond: 0, outPerSecond: 0, bytesPerSecond: undefined },
  ...{ lagBytes: undefined, lagSeconds: undefined, queued: undefined, dropped: 0, errors: 0, newErrors: 0 },
  ...{ share: undefined, trouble: undefined },
} as const;

function errorsOf(sink: AgentStatus["sinks"][number]): number {
  const { read_again: _, ...lost } = sink.dropped_events;
  const given = Object.values(lost).reduce((sum, events) => sum + events, 0);
  return sink.dead_lettered_events + sink.retried_events + given;
}

function stageSeconds(status: AgentStatus): number {
  return status.pipelines.reduce((sum, { stages }) => sum + stages.reduce((part, { seconds }) => part + seconds, 0), 0);
}

export const SORTS = ["pipeline", "rate", "lag", "errors", "time"] as const;
export type TopSort = (typeof SORTS)[number];

/** Rows whose name or state contains the text, in an order; equal ones stay in the order of the pipeline. */
export function arranged(rows: readonly TopRow[], sort: TopSort, filter: string): TopRow[] {
  const wanted = filter.toLowerCase();
  const kept = rows.filter(({ point, type, state }) => `${point} ${type} ${state}`.toLowerCase().includes(wanted));
  const by: Record<TopSort, (row: TopRow) => number> = {
    pipeline: () => 0,
    rate: (row) => row.inPerSecond,
    lag: (row) => (row.lagBytes ?? 0) + (row.queued ?? 0),
    errors: (row) => row.newErrors * 1e9 + row.errors + (row.isBad ? 1e15 : 0),
    time: (row) => row.share ?? -1,
  };
  return kept.sort((a, b) => by[sort](b) - by[sort](a));
}
