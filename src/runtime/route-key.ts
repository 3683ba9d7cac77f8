/** The route of a pipeline and sink in checkpoints: by the pipeline's name and by what the sink is, not its name. */
export function routeKey(pipeline: string, sinkIdentity: string): string {
  return `${pipeline}|${sinkIdentity}`;
}
