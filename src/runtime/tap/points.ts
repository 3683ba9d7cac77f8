import { WiretailError } from "../../core/error.ts";
import { suggestion } from "../config/nearest.ts";
import type { PipelineRunner } from "../pipeline-runner.ts";
import type { SinkRunner } from "../sink-runner.ts";
import type { SourceRunner } from "../source-runner.ts";
import type { TapPoint } from "./protocol.ts";

/** What runs, as far as it can be tapped. */
export interface Tappable {
  readonly sources: ReadonlyMap<string, { readonly runner: SourceRunner }>;
  readonly pipelines: readonly PipelineRunner[];
  readonly sinks: ReadonlyMap<string, { readonly runner: SinkRunner }>;
}

/** A point with what runs there. */
export type FoundPoint = TapPoint &
  (
    | { readonly kind: "source"; readonly source: SourceRunner }
    | { readonly kind: "pipeline"; readonly pipeline: PipelineRunner }
    | { readonly kind: "stage"; readonly pipeline: PipelineRunner; readonly index: number }
    | { readonly kind: "sink"; readonly sink: SinkRunner }
  );

/** All points, in the order in which events pass them. */
export function allPoints({ sources, pipelines, sinks }: Tappable): FoundPoint[] {
  return [
    ...[...sources].map(([name, { runner }]): FoundPoint => ({ name, kind: "source", source: runner })),
    ...pipelines.flatMap((pipeline): FoundPoint[] => [
      ...pipeline.chain.steps.map(({ label }, index): FoundPoint => {
        return { name: `${pipeline.name}/${label}`, kind: "stage", pipeline, index };
      }),
      { name: `pipeline:${pipeline.name}`, kind: "pipeline", pipeline },
    ]),
    ...[...sinks].map(([name, { runner }]): FoundPoint => ({ name, kind: "sink", sink: runner })),
  ];
}

/**
 * The points that a name means: a source, else a sink, else a pipeline of that name, else all stages of that type;
 * `source:x`, `sink:x` and `pipeline:x` say which; `PIPELINE/2`, `PIPELINE/parse_json` and `PIPELINE/2 parse_json` are
 * stages. Empty when there is none.
 */
export function pointsNamed(name: string, points: readonly FoundPoint[]): FoundPoint[] {
  const colon = name.indexOf(":");
  const kind = name.slice(0, Math.max(0, colon));
  if (kind === "source" || kind === "sink" || kind === "pipeline") {
    const bare = name.slice(colon + 1);
    return points.filter((point) => point.kind === kind && bareName(point) === bare);
  }
  for (const each of ["source", "sink", "pipeline"]) {
    const found = points.filter((point) => point.kind === each && bareName(point) === name);
    if (found.length > 0) return found;
  }
  return points.filter((point) => {
    if (point.kind !== "stage") return false;
    const { label, type } = point.pipeline.chain.steps[point.index]!;
    const prefix = `${point.pipeline.name}/`;
    const stage = name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
    return name === type || stage === label || stage === type || stage === String(point.index + 1);
  });
}

/** All points that these names mean; what leaves the pipelines without any. Throws WT_USAGE for a name of nothing. */
export function pointsOf(names: readonly string[], points: readonly FoundPoint[]): FoundPoint[] {
  if (names.length === 0) return points.filter(({ kind }) => kind === "pipeline");
  const found = names.flatMap((name) => {
    const named = pointsNamed(name, points);
    if (named.length > 0) return named;
    const known = [...new Set(points.map((point) => (point.kind === "stage" ? point.name : bareName(point))))];
    throw new WiretailError("WT_USAGE", `"${name}" is no source, stage, pipeline or sink${suggestion(name, known)}`, {
      hint: "wiretail tap --list shows all points",
    });
  });
  return [...new Set(found)];
}

function bareName(point: FoundPoint): string {
  return point.kind === "pipeline" ? point.pipeline.name : point.name;
}
