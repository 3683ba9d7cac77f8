import type { AnySink, AnySource, AnyStage } from "../../core/component.ts";
import type { BatchLimits } from "../../core/component.ts";

/** Where something was said: for messages. Lines and columns from 1. */
export interface Location {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** JSON pointer inside the file. */
  readonly pointer: string;
}

/** One fault of a configuration, ready to print as `file:line:column /pointer: message`. */
export interface ConfigProblem {
  readonly severity: "error" | "warning";
  readonly location: Location;
  readonly message: string;
  readonly hint?: string;
}

/** A source or sink after validation. `options` has defaults filled in and secrets resolved: never print it. */
export interface ComponentConfig<D> {
  readonly name: string;
  readonly definition: D;
  readonly options: unknown;
  readonly location: Location;
  /** SHA-256 (base64url) of what the user wrote and of the secrets' values: equal means "did not change" on reload. */
  readonly fingerprint: string;
  /** 16 characters: hash of the type and of the options marked `x-identity`. Checkpoints hang on it. */
  readonly identity: string;
  /** JSON pointers, in `options`, of values that came from `$env` or `$file`: what redactConfig hides beside x-secret. */
  readonly secretPointers?: readonly string[];
}

export type SinkConfig = ComponentConfig<AnySink> & {
  /** The user's `batch` block: what it does not say is the sink's own default. */
  readonly batch: Partial<BatchLimits>;
  /** What to do when the sink is behind and the journal is full. */
  readonly whenFull: WhenFull;
};
export type WhenFull = "block" | "drop_oldest" | "reread";
export type SourceConfig = ComponentConfig<AnySource>;

/** Whether what the source gave can be read again after a restart. */
export function isRereadable({ definition, options }: Pick<SourceConfig, "definition" | "options">): boolean {
  const { rereadable } = definition;
  return typeof rereadable === "boolean" ? rereadable : rereadable(options);
}

export type OnError = "keep" | "drop" | "dead_letter";

export interface StageConfig {
  readonly definition: AnyStage;
  readonly options: unknown;
  /** KQL. */
  readonly when: string | undefined;
  readonly onError: OnError;
  /** Folder of the file that says the stage. */
  readonly baseDir: string;
  readonly location: Location;
}

export interface PipelineConfig {
  readonly name: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly stages: readonly StageConfig[];
  /** KQL: only events that match enter the pipeline's stages; the others are left out and counted. */
  readonly when: string | undefined;
  readonly location: Location;
  readonly fingerprint: string;
}

/** A host's whole configuration, validated. */
export interface HostConfig {
  /** The file given with --config. */
  readonly file: string;
  readonly stateDir: string;
  /** Encoded events that may wait in memory for sinks, all together. */
  readonly memoryBudgetBytes: number;
  /** How long SIGTERM may take to deliver what was read. */
  readonly shutdownTimeoutMs: number;
  readonly log: { readonly format: "text" | "json"; readonly level: "debug" | "info" | "warn" | "error" };
  /** `/metrics` and `/healthz`, when an address is configured. */
  readonly http: { readonly host: string; readonly port: number } | undefined;
  readonly deadLetters: {
    readonly maxBytes: number;
    readonly maxAgeMs: number | undefined;
    readonly whenFull: "drop_oldest" | "block";
  };
  /** Bytes of the journal; 0: none. */
  readonly journal: { readonly maxBytes: number };
  readonly sources: readonly SourceConfig[];
  readonly pipelines: readonly PipelineConfig[];
  readonly sinks: readonly SinkConfig[];
}
