import type { AnyStage } from "../../core/component.ts";
import { loadPipelineFile, shippedPipelines, type PipelineFile } from "../config/pipeline-file.ts";

/** Every shipped pipeline that loads: the formats that lines are compared with. */
export async function shippedFormats(stages: readonly AnyStage[]): Promise<PipelineFile[]> {
  const found: PipelineFile[] = [];
  for (const name of shippedPipelines()) {
    const { pipeline } = await loadPipelineFile(name, ".", { stages });
    if (pipeline !== undefined) found.push(pipeline);
  }
  return found;
}
