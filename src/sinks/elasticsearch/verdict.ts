import { DELIVERED, type Verdict, type WriteResult } from "../../core/component.ts";

/** An error as the server writes it, for one item of a bulk call or for a whole call. */
export interface ServerError {
  readonly type?: string;
  readonly reason?: string | null;
  readonly caused_by?: ServerError;
}

/** One item of a bulk reply, as far as we ask for it (BULK_FILTER). */
export interface BulkItem {
  readonly status?: number;
  readonly error?: ServerError;
  readonly failure_store?: string;
}

/**
 * Verdicts go by the type of an error, not by its status: a read-only index answers 403 for each item and a closed one
 * 400, and neither is the document's fault. What is not known here holds: nothing is given up by mistake.
 * The types are what 8.19 and 9.5 answer (test/integration/sinks/elasticsearch.test.ts asks them).
 */
const KINDS: ReadonlyMap<string, "delivered" | "rejected" | "retry" | "hold"> = new Map([
  // `create` of an id that is there: ids are never those of another event, so this one was delivered before.
  ["version_conflict_engine_exception", "delivered"],
  // What the document holds.
  ["document_parsing_exception", "rejected"],
  ["mapper_parsing_exception", "rejected"],
  ["mapper_exception", "rejected"],
  ["strict_dynamic_mapping_exception", "rejected"],
  ["parsing_exception", "rejected"],
  ["parse_exception", "rejected"],
  ["x_content_parse_exception", "rejected"],
  ["json_parse_exception", "rejected"],
  ["json_e_o_f_exception", "rejected"],
  ["x_content_e_o_f_exception", "rejected"],
  ["stream_constraints_exception", "rejected"],
  ["input_coercion_exception", "rejected"],
  ["number_format_exception", "rejected"],
  ["date_time_parse_exception", "rejected"],
  ["max_bytes_length_exceeded_exception", "rejected"],
  // An ingest pipeline's own `fail` processor: somebody wants these refused.
  ["fail_processor_exception", "rejected"],
  // Overload, and shards that are on their way.
  ["es_rejected_execution_exception", "retry"],
  ["rejected_execution_exception", "retry"],
  ["circuit_breaking_exception", "retry"],
  ["unavailable_shards_exception", "retry"],
  ["no_shard_available_action_exception", "retry"],
  ["primary_missing_action_exception", "retry"],
  ["shard_not_found_exception", "retry"],
  ["node_not_connected_exception", "retry"],
  ["node_disconnected_exception", "retry"],
  ["node_closed_exception", "retry"],
  ["receive_timeout_transport_exception", "retry"],
  ["process_cluster_event_timeout_exception", "retry"],
  ["master_not_discovered_exception", "retry"],
  ["not_master_exception", "retry"],
  ["timeout_exception", "retry"],
  // Somebody has to act first.
  ["cluster_block_exception", "hold"],
  ["security_exception", "hold"],
  ["index_not_found_exception", "hold"],
  ["index_closed_exception", "hold"],
  ["invalid_index_name_exception", "hold"],
  ["routing_missing_exception", "hold"],
]);

/** These types stand for many faults: the reason tells which. */
const DOCUMENT_REASONS = [
  /limit of (total fields|mapping depth|nested fields|nested documents|field name length)/i,
  /immense term|bytes can be at most \d+ in length/i,
  /failed to parse|mapper for \[.*\] conflicts|can't (merge|index)|cannot (merge|be changed from type)/i,
  /object mapping .* tried to parse/i,
  /timestamp field \[.*\] (is missing|encountered multiple values)/i,
  /field name cannot (be|contain)|document contains at least one immense/i,
  // Time series data streams take only times of their present window.
  /is outside of ranges of currently writable indices/i,
  /provided grok expressions do not match|unable to find match for dissect pattern/i,
];
const VAGUE = new Set(["illegal_argument_exception", "illegal_state_exception", "validation_exception", "exception"]);

export function itemVerdict(item: BulkItem): Verdict {
  const status = item.status ?? 0;
  const { error } = item;
  if (error === undefined) {
    if ((status >= 200 && status < 300) || status === 409) return DELIVERED;
    return { outcome: "hold", reason: `status ${status} without an error`, unknown: true };
  }
  const kind = kindOf(status, error);
  const reason = describe(error);
  if (kind === "delivered") return DELIVERED;
  if (kind === "rejected") return { outcome: "rejected", reason };
  // Flood stage (429) is a block like any other: disk space has to be made first.
  if (kind === "hold") return { outcome: "hold", reason };
  if (kind === "retry" || status === 429 || status >= 500) return { outcome: "retry", reason };
  if (VAGUE.has(error.type ?? "") && blamesDocument(error)) return { outcome: "rejected", reason };
  return { outcome: "hold", reason, unknown: true };
}

function kindOf(
  status: number,
  error: ServerError | undefined,
): "delivered" | "rejected" | "retry" | "hold" | undefined {
  const kind = KINDS.get(error?.type ?? "");
  // "no master", "state not recovered": a cluster that is starting blocks everything for a while, with 503.
  return error?.type === "cluster_block_exception" && status === 503 ? "retry" : kind;
}

function blamesDocument(error: ServerError): boolean {
  return causes(error).some((at) => DOCUMENT_REASONS.some((pattern) => pattern.test(reasonOf(at))));
}

/** The verdict on a whole call that the server refused. `body` is what it answered, parsed if it was JSON. */
export function callVerdict(status: number, body: unknown, retryAfterMs: number | undefined): WriteResult {
  const error = errorOf(body);
  const reason = `HTTP ${status}${error === undefined ? plainText(body) : `: ${describe(error)}`}`;
  if (status === 413) return { outcome: "too_large", reason };
  if (status === 401) return { outcome: "hold", reason: `${reason} (check api_key, or username and password)` };
  const kind = kindOf(status, error);
  if (kind === "hold") return { outcome: "hold", reason };
  if (status === 429 || status === 408 || status >= 500 || kind === "retry") {
    return { outcome: "retry", reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  return { outcome: "hold", reason };
}

function errorOf(body: unknown): ServerError | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { error } = body as { error?: unknown };
  if (typeof error === "string") return { reason: error };
  return typeof error === "object" && error !== null ? error : undefined;
}

function plainText(body: unknown): string {
  return typeof body === "string" && body !== "" ? `: ${cut(body.replace(/\s+/g, " "))}` : "";
}

/** `type: reason; caused by type: reason`, the causes only where they say more. Bounded: reasons quote documents. */
export function describe(error: ServerError): string {
  const parts: string[] = [];
  for (const at of causes(error)) {
    const said = cut(reasonOf(at));
    if (parts.length > 0 && said !== "" && parts.some((part) => part.includes(said))) continue;
    const type = typeof at.type === "string" ? cut(at.type) : "";
    parts.push([type, said].filter((text) => text !== "").join(": "));
  }
  return parts.slice(0, 4).join("; caused by ");
}

/** The error and what caused it, outermost first, as far as the reply has the form that it should have. */
function causes(error: ServerError): ServerError[] {
  const all: ServerError[] = [];
  for (let at: unknown = error; typeof at === "object" && at !== null && all.length < 10;) {
    all.push(at);
    at = (at as ServerError).caused_by;
  }
  return all;
}

function reasonOf(error: ServerError): string {
  return typeof error.reason === "string" ? error.reason : "";
}

const REASON_CHARACTERS = 400;

function cut(text: string): string {
  return text.length <= REASON_CHARACTERS ? text : text.slice(0, REASON_CHARACTERS) + "…";
}

/** `Retry-After` in milliseconds: seconds, or an HTTP date (RFC 9110, 10.2.3). */
export function retryAfter(header: unknown, nowMs: number): number | undefined {
  if (typeof header !== "string" || header === "") return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
