import { defineSink, type AnySink, type AnySource, type Sink } from "../../src/core/component.ts";
import { t } from "../../src/core/schema.ts";
import { fingerprintOf } from "../../src/runtime/config/fingerprint.ts";
import type { HostConfig, PipelineConfig, SinkConfig, SourceConfig, WhenFull } from "../../src/runtime/config/types.ts";

const location = { file: "host.json", line: 1, column: 1, pointer: "" };

export interface HostParts {
  readonly stateDir: string;
  readonly sources: Readonly<Record<string, AnySource>>;
  /** `version` stands for the options: another one is a changed sink with the same identity. */
  readonly sinks: Readonly<
    Record<string, { definition: AnySink; version?: number; identity?: string; whenFull?: WhenFull }>
  >;
  readonly pipelines: Readonly<
    Record<string, { from: string[]; to: string[]; version?: number } & Partial<PipelineConfig>>
  >;
  readonly settings?: Partial<HostConfig>;
}

/** A host's configuration as the loader would give it, without files. */
export function makeHost(parts: HostParts): HostConfig {
  const sources = Object.entries(parts.sources).map(([name, definition]): SourceConfig => ({
    ...{ name, definition, options: {}, location },
    ...{ fingerprint: fingerprintOf([name]), identity: name },
  }));
  const sinks = Object.entries(parts.sinks).map(
    ([name, { definition, version = 1, identity = name, whenFull = "block" }]): SinkConfig => ({
      ...{ name, definition, options: { version }, location, batch: {}, whenFull },
      ...{ fingerprint: fingerprintOf([name, version]), identity },
    }),
  );
  const pipelines = Object.entries(parts.pipelines).map(([name, { version = 1, ...pipeline }]): PipelineConfig => ({
    ...{
      name,
      stages: [],
      when: undefined,
      location,
      fingerprint: fingerprintOf([name, version, pipeline.from, pipeline.to]),
    },
    ...pipeline,
  }));
  return {
    ...{ file: "host.json", stateDir: parts.stateDir, memoryBudgetBytes: 1 << 20, shutdownTimeoutMs: 200 },
    ...{
      log: { format: "text", level: "info" },
      http: undefined,
      deadLetters: { maxBytes: 1 << 20, maxAgeMs: undefined, whenFull: "drop_oldest" },
    },
    ...{ sources, sinks, pipelines, journal: { maxBytes: 64 << 20 } },
    ...parts.settings,
  };
}

/** A sink definition that hands out these sinks in turn. */
export function sinkDefinition(...sinks: (Sink | Error)[]): AnySink {
  const rest = [...sinks];
  return defineSink({
    type: "scripted",
    summary: "For tests",
    stability: "stable",
    schema: t.object({}),
    examples: [],
    create: () => {
      const sink = rest.shift();
      if (sink === undefined) throw new Error("no sink is left to make");
      if (sink instanceof Error) throw sink;
      return sink;
    },
  });
}
