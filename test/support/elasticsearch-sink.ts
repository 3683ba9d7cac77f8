import type { Sink } from "../../src/core/component.ts";
import { elasticsearch } from "../../src/sinks/elasticsearch/index.ts";
import type { ElasticsearchOptions } from "../../src/sinks/elasticsearch/options.ts";
import { makeContext, type TestContext } from "./context.ts";

/** A sink with these options and defaults for the rest. */
export async function openElasticsearch(
  options: Partial<ElasticsearchOptions>,
): Promise<{ sink: Sink; context: TestContext }> {
  const context = makeContext({ id: "es" });
  const defaults = {
    tls: { verify: true },
    compression: "gzip",
    compression_level: 1,
    request_timeout_ms: 20_000,
    unknown_error_timeout_ms: 900_000,
    install_template: true,
  } as const;
  return { sink: await elasticsearch.create({ ...defaults, ...options }, context), context };
}
