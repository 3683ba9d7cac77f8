import type { AgentStatus } from "./status.ts";

/** One equation of the first promise (nothing is lost in silence), with every term. */
export interface Equation {
  readonly of: "source" | "pipeline" | "stage" | "sink";
  /** The source, pipeline, `pipeline / stage` or sink. */
  readonly name: string;
  /** As people read it: `routed = delivered + queued + …`. */
  readonly text: string;
  readonly left: Readonly<Record<string, number>>;
  readonly right: Readonly<Record<string, number>>;
  readonly holds: boolean;
}

type Counted = Pick<AgentStatus, "sources" | "pipelines" | "sinks">;

/**
 * The equations of everything that runs, from its own counters: what went in is what came out and what became of the
 * rest, each with its reason. One that does not hold is a defect.
 */
export function equationsOf({ sources, pipelines, sinks }: Counted): Equation[] {
  const equations: Equation[] = [];
  const add = (
    of: Equation["of"],
    name: string,
    left: Readonly<Record<string, number>>,
    right: Readonly<Record<string, number>>,
  ): void => {
    const text = `${sumText(left)} = ${sumText(right)}`;
    equations.push({ of, name, text, left, right, holds: sum(left) === sum(right) });
  };
  for (const source of sources) {
    // Every pipeline gets every event, so there is one equation for each.
    for (const [pipeline, events] of Object.entries(source.into_pipelines_events)) {
      const right = { [`into ${pipeline}`]: events, ...byReason("dropped", source.dropped_events) };
      add("source", source.name, { read: source.read_events }, right);
    }
  }
  for (const pipeline of pipelines) {
    const { name, in_events, skipped_events, out_events, stages } = pipeline;
    const right: Record<string, number> = { "skipped by when": skipped_events };
    for (const stage of stages) {
      right[`dropped by ${stage.stage}`] = stage.dropped_events;
      right[`dead-lettered by ${stage.stage}`] = stage.dead_lettered_events;
      right[`held by ${stage.stage}`] = stage.held_events;
    }
    const created: Record<string, number> = {};
    for (const stage of stages)
      if (stage.created_events > 0) created[`created by ${stage.stage}`] = stage.created_events;
    add("pipeline", name, { in: in_events, ...created }, { ...withoutZeros(right), out: out_events });
    for (const [sink, { routed_events, had_events, elsewhere_events = 0 }] of Object.entries(pipeline.routes)) {
      const elsewhere: Record<string, number> =
        elsewhere_events > 0 ? { [`routed elsewhere than ${sink}`]: elsewhere_events } : {};
      const right = { [`routed to ${sink}`]: routed_events, [`${sink} had already`]: had_events, ...elsewhere };
      add("pipeline", name, { out: out_events }, right);
    }
    let before = in_events - skipped_events;
    for (const stage of stages) {
      const at = `${name} / ${stage.stage}`;
      if (stage.in_events !== before) add("stage", at, { "from before": before }, { in: stage.in_events });
      add(
        "stage",
        at,
        { in: stage.in_events, created: stage.created_events },
        {
          out: stage.out_events,
          "dropped on purpose": stage.dropped_events - stage.dropped_on_error_events,
          "dropped on error": stage.dropped_on_error_events,
          "dead-lettered": stage.dead_lettered_events,
          held: stage.held_events,
        },
      );
      before = stage.out_events;
    }
  }
  for (const sink of sinks) {
    const routed = {
      "from pipelines": sink.from_pipelines_events,
      replayed: sink.replayed_events,
      "found in the journal": sink.found_in_journal_events,
    };
    add("sink", sink.name, { routed: sink.routed_events }, routed);
    add(
      "sink",
      sink.name,
      { routed: sink.routed_events },
      {
        delivered: sink.delivered_events,
        queued: sink.queued_events,
        "dead-lettered": sink.dead_lettered_events,
        ...byReason("dropped", sink.dropped_events),
      },
    );
  }
  return equations;
}

function byReason(word: string, reasons: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(reasons).map(([reason, count]) => [`${word}: ${reason}`, count]));
}

function withoutZeros(terms: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(terms).filter(([, count]) => count !== 0));
}

function sum(terms: Readonly<Record<string, number>>): number {
  return Object.values(terms).reduce((total, each) => total + each, 0);
}

function sumText(terms: Readonly<Record<string, number>>): string {
  return Object.entries(terms)
    .map(([name, count]) => `${count} ${name}`)
    .join(" + ");
}
