import type { AgentStatus } from "../../src/runtime/status.ts";

/** Where the agent's own numbers do not add up (promise 1 of docs/delivery.md); none when all is well. */
export function brokenEquations(status: AgentStatus): string[] {
  const broken: string[] = [];
  const equal = (what: string, left: number, right: number): void => {
    if (left !== right) broken.push(`${what}: ${left} is not ${right}`);
  };
  for (const source of status.sources) {
    // Every source here feeds one pipeline, of the same name.
    const into = status.pipelines.find((pipeline) => pipeline.name === source.name);
    equal(`source ${source.name}: read = into the pipeline`, source.read_events, into?.in_events ?? 0);
  }
  for (const pipeline of status.pipelines) {
    const left = pipeline.stages.reduce((sum, stage) => sum + stage.dropped_events + stage.dead_lettered_events, 0);
    equal(
      `pipeline ${pipeline.name}: in = skipped + left out + out`,
      pipeline.in_events,
      pipeline.skipped_events + left + pipeline.out_events,
    );
  }
  for (const sink of status.sinks) {
    const { routed_events, delivered_events, queued_events, dead_lettered_events } = sink;
    equal(
      `sink ${sink.name}: routed = delivered + queued + dead-lettered`,
      routed_events,
      delivered_events + queued_events + dead_lettered_events,
    );
  }
  return broken;
}
