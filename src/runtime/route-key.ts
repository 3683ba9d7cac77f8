import { createHash } from "node:crypto";

/** The route of a pipeline and sink in checkpoints: by the pipeline's name and by what the sink is, not its name. */
export function routeKey(pipeline: string, sinkIdentity: string): string {
  return `${pipeline}|${sinkIdentity}`;
}

/** Stands for a pipeline in the ids of events, by its name: 4 characters, base64url. */
export function pipelineIdPart(pipeline: string): string {
  return createHash("sha256").update(pipeline).digest("base64url").slice(0, 4);
}
