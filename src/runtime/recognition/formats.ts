import type { AnyStage } from "../../core/component.ts";
import { loadPipelineFile, shippedPipelines, type PipelineFile } from "../config/pipeline-file.ts";

/** Stages that no format needs; packets in JSON are JSON for who looks at lines. */
const BEYOND_FORMATS: ReadonlySet<string> = new Set(["filter", "lookup", "rollup", "parse_tshark"]);

/**
 * Every shipped pipeline that loads and only reads a format: what lines are compared with. Not those that leave events
 * out, add them up, or join them with tables.
 */
export async function shippedFormats(stages: readonly AnyStage[]): Promise<PipelineFile[]> {
  const found: PipelineFile[] = [];
  for (const name of shippedPipelines()) {
    const { pipeline } = await loadPipelineFile(name, ".", { stages });
    if (pipeline?.stages.every(({ definition }) => !BEYOND_FORMATS.has(definition.type)) === true) found.push(pipeline);
  }
  return found;
}
