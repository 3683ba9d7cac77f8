import { compileTemplate, templateFault } from "../../codec/template.ts";
import type { Context, DestinationOptions } from "../../core/component.ts";
import type { TemplateTarget } from "./index-template.ts";
import { dataStreamName, indexNameFault, OPTIONS, type ElasticsearchOptions } from "./options.ts";

/** Where documents go: a data stream, or an index whose name may depend on each event's time. */
export interface Target {
  readonly dataStream: string | undefined;
  nameAt(timeMs: number): string;
  readonly template: TemplateTarget;
}

export function targetOf(options: ElasticsearchOptions, context: Pick<Context, "placeholders">): Target {
  const dataStream = dataStreamName(options);
  if (dataStream !== undefined) {
    const [type = "", dataset = ""] = dataStream.split("-");
    const pattern = `${type}-${dataset}-*`;
    return {
      dataStream,
      nameAt: () => dataStream,
      template: { name: `wiretail-${type}-${dataset}`, pattern, example: dataStream, dataStream: { type, dataset } },
    };
  }
  const index = options.index ?? "";
  const name = compileTemplate(index, context.placeholders);
  const pattern = compileTemplate(index.replace(/\{date[^{}]*\}/g, "*"), context.placeholders)
    .at(0)
    .toLowerCase();
  return {
    dataStream: undefined,
    // Host names may have capitals; index names may not.
    nameAt:
      name.constant === undefined ? (timeMs) => name.at(timeMs).toLowerCase() : constantly(name.constant.toLowerCase()),
    template: {
      name: `wiretail-${pattern.replace(/\*/g, "x")}`,
      pattern,
      example: name.at(0).toLowerCase(),
      dataStream: undefined,
    },
  };
}

function constantly(text: string): () => string {
  return () => text;
}

/** Between the name of a place and the words that a stage gave for it, in the sink's destinations. */
const SEPARATOR = "\u0000";

/** The sink's own place, and others that stages name. */
export class Targets {
  readonly own: Target;
  readonly #options: ElasticsearchOptions;
  readonly #context: Pick<Context, "placeholders">;
  readonly #named = new Map<string, Target>();

  constructor(options: ElasticsearchOptions, context: Pick<Context, "placeholders">) {
    this.#options = options;
    this.#context = context;
    this.own = targetOf(options, context);
  }

  /** As `Sink.destinationOf`. */
  destinationOf(timeMs: number, named: string | undefined): string {
    if (named === undefined) return this.own.nameAt(timeMs);
    return this.#target(named).nameAt(timeMs) + SEPARATOR + named;
  }

  /** What a destination stands for; "" is the sink's own place at a time. */
  read(destination: string, nowMs: number): { readonly name: string; readonly target: Target } {
    if (destination === "") return { name: this.own.nameAt(nowMs), target: this.own };
    const end = destination.indexOf(SEPARATOR);
    if (end < 0) return { name: destination, target: this.own };
    return { name: destination.slice(0, end), target: this.#target(destination.slice(end + 1)) };
  }

  #target(named: string): Target {
    let target = this.#named.get(named);
    if (target === undefined) {
      // `check` bounds how many there are; reloads may bring others for ever.
      if (this.#named.size >= 1000) this.#named.clear();
      target = targetOf(withDestination(this.#options, JSON.parse(named) as DestinationOptions), this.#context);
      this.#named.set(named, target);
    }
    return target;
  }
}

/** The sink's options as if it were for a place that a stage names. */
function withDestination(options: ElasticsearchOptions, destination: DestinationOptions): ElasticsearchOptions {
  const { data_stream: own, index: _, ...rest } = options;
  const { index, data_stream } = destination as Pick<ElasticsearchOptions, "index" | "data_stream">;
  if (index !== undefined) return { ...rest, index };
  return { ...rest, data_stream: { type: "logs", dataset: "generic", namespace: "default", ...own, ...data_stream } };
}

/** As `SinkDefinition.destinationFaults`. */
export function destinationFaults(
  _options: ElasticsearchOptions,
  destination: DestinationOptions,
): (readonly [string, string])[] {
  const faults: (readonly [string, string])[] = [];
  for (const key of Object.keys(destination)) {
    if (key !== "index" && key !== "data_stream")
      faults.push([`/${key}`, 'this sink is of type elasticsearch: it takes "index" or "data_stream"']);
  }
  const { index, data_stream } = destination as { index?: string; data_stream?: Record<string, string> };
  if (index !== undefined && data_stream !== undefined)
    faults.push(["/index", "stands beside `data_stream`: events go to a data stream or to plain indices, not both"]);
  if (index !== undefined) {
    const fault = templateFault(index) ?? indexNameFault(index);
    if (fault !== undefined) faults.push(["/index", fault]);
  }
  const parts = OPTIONS.properties!["data_stream"]!.properties!;
  for (const [part, name] of Object.entries(data_stream ?? {})) {
    const { pattern = "", maxLength = 100 } = parts[part] ?? {};
    if (new RegExp(pattern).test(name) && name.length <= maxLength) continue;
    const what = `"${name}" cannot be part of a data stream's name`;
    faults.push([`/data_stream/${part}`, `${what}: lower case, no - \\ / * ? " < > | , # : or spaces`]);
  }
  return faults;
}
