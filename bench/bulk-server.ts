import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { Arrivals } from "./arrivals.ts";
import { Random, type InputKind } from "./input.ts";

/**
 * A server that looks like Elasticsearch to a log shipper and does nothing but count: what the benchmark ships to. It
 * runs in a process of its own and talks to its parent over the fork channel:
 *
 * - to the parent: `{ type: "listening", port }`, `{ type: "done", atMs }` as soon as every expected line has arrived,
 *   and `{ type: "stats", … }` when the parent sends `"stats"`;
 * - it ends when the parent sends `"stop"` or goes away.
 *
 * A bulk request is answered before its body is scanned, so that counting is not part of the round trip.
 */
export interface BulkStats {
  readonly type: "stats";
  readonly documents: number;
  readonly distinct: number;
  readonly missing: number;
  readonly doubled: number;
  readonly unknown: number;
  readonly requests: number;
  /** Whole requests, and single documents of requests that were answered with 200. */
  readonly refused: number;
  readonly refusedItems: number;
  readonly wireBytes: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly cpuSeconds: number;
  /** One document of each body is parsed: how many of these were no JSON. */
  readonly invalid: number;
  /** The first few documents with their action lines. */
  readonly samples: readonly string[];
}

const VERSION = "8.19.0";
const INFO = JSON.stringify({
  name: "bench",
  cluster_name: "bench",
  cluster_uuid: "qX2mR0gSTk6dV1bYt3uZ8w",
  version: { number: VERSION, build_flavor: "default", build_type: "tar", lucene_version: "9.12.2" },
  tagline: "You Know, for Search",
});

class BulkServer {
  readonly #arrivals: Arrivals;
  readonly #expected: number;
  readonly #latencyMs: number;
  readonly #refuse: number;
  readonly #refuseItems: number;
  readonly #random = new Random(1);
  readonly #samples: string[] = [];
  #requests = 0;
  #refused = 0;
  #refusedItems = 0;
  #wireBytes = 0;
  #invalid = 0;
  #firstAtMs = 0;
  #lastAtMs = 0;
  #done = false;

  constructor(options: {
    readonly kind: InputKind;
    /** How many different lines are expected. */
    readonly lines: number;
    readonly latencyMs: number;
    /** Parts (0 to 1) of the bulk requests, and of the documents in others, that are refused with 429. */
    readonly refuse: number;
    readonly refuseItems: number;
  }) {
    this.#arrivals = new Arrivals(options.kind, options.lines);
    this.#expected = options.lines;
    this.#latencyMs = options.latencyMs;
    this.#refuse = options.refuse;
    this.#refuseItems = options.refuseItems;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.setHeader("X-Elastic-Product", "Elasticsearch");
      const [path = "", query = ""] = (request.url ?? "").split("?", 2);
      if (path.endsWith("/_bulk")) this.#bulk(Buffer.concat(chunks), request, query, response);
      else answerOther(request.method ?? "GET", path, response);
    });
  }

  #bulk(wire: Buffer, request: IncomingMessage, query: string, response: ServerResponse): void {
    this.#requests++;
    this.#wireBytes += wire.length;
    this.#firstAtMs ||= Date.now();
    if (this.#refuse > 0 && this.#random.fraction() < this.#refuse) {
      this.#refused++;
      const reason = "rejected execution of coordinating operation";
      json(response, 429, JSON.stringify({ error: { type: "es_rejected_execution_exception", reason }, status: 429 }));
      return;
    }
    const body = (request.headers["content-encoding"] === "gzip" ? gunzipSync(wire) : wire).toString("latin1");
    const refused = this.#refuseItems > 0 ? this.#pickRefused(countDocuments(body)) : undefined;
    const finish = (): void => {
      json(response, 200, bulkAnswer(body, query, refused));
      this.#count(body, refused);
    };
    if (this.#latencyMs > 0) setTimeout(finish, this.#latencyMs);
    else finish();
  }

  #pickRefused(count: number): Set<number> {
    const refused = new Set<number>();
    for (let i = 0; i < count; i++) if (this.#random.fraction() < this.#refuseItems) refused.add(i);
    this.#refusedItems += refused.size;
    return refused;
  }

  #count(body: string, refused: ReadonlySet<number> | undefined): void {
    if (this.#samples.length === 0) this.#samples.push(...body.slice(0, 4000).split("\n", 4));
    if (!isValidSample(body)) this.#invalid++;
    this.#arrivals.add(body, refused);
    this.#lastAtMs = Date.now();
    if (!this.#done && this.#arrivals.distinct >= this.#expected) {
      this.#done = true;
      process.send?.({ type: "done", atMs: this.#lastAtMs });
    }
  }

  stats(): BulkStats {
    const { user, system } = process.cpuUsage();
    const { documents, distinct, missing, doubled, unknown } = this.#arrivals;
    return {
      type: "stats",
      ...{ documents, distinct, missing, doubled, unknown },
      requests: this.#requests,
      refused: this.#refused,
      refusedItems: this.#refusedItems,
      wireBytes: this.#wireBytes,
      invalid: this.#invalid,
      firstAtMs: this.#firstAtMs,
      lastAtMs: this.#lastAtMs,
      cpuSeconds: (user + system) / 1e6,
      samples: this.#samples,
    };
  }
}

/** What Elasticsearch says: an item each, unless `filter_path` leaves items out. */
function bulkAnswer(body: string, query: string, refused: ReadonlySet<number> | undefined): string {
  const filter = new URLSearchParams(query).get("filter_path");
  // Where only faults are asked for (items.*.error), nothing is left of items that have none.
  if (filter !== null && !/(^|,)items(,|$|\.\*(,|$|\.status))/.test(filter)) return '{"took":1,"errors":false}';
  const count = countDocuments(body);
  const action = body.startsWith('{"index"') ? "index" : "create";
  const item =
    filter === null
      ? `{"${action}":{"_index":"bench","_id":"0","_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,"status":201}}`
      : `{"${action}":{"status":201}}`;
  if (refused === undefined || refused.size === 0) {
    return `{"took":1,"errors":false,"items":[${(item + ",").repeat(count).slice(0, -1)}]}`;
  }
  const error = '{"type":"es_rejected_execution_exception","reason":"rejected execution of primary operation"}';
  const no = `{"${action}":{"status":429,"error":${error}}}`;
  const items: string[] = [];
  for (let i = 0; i < count; i++) items.push(refused.has(i) ? no : item);
  return `{"took":1,"errors":true,"items":[${items.join(",")}]}`;
}

/** Whether the last action and document of a body are JSON, and read as UTF-8. */
function isValidSample(body: string): boolean {
  const end = body.length - 1;
  const document = body.lastIndexOf("\n", end - 1) + 1;
  const action = body.lastIndexOf("\n", document - 2) + 1;
  try {
    for (const [from, to] of [
      [action, document],
      [document, end],
    ] as const) {
      JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(body.slice(from, to), "latin1")));
    }
    return body.endsWith("\n");
  } catch {
    return false;
  }
}

function countDocuments(body: string): number {
  let lines = 0;
  for (let at = body.indexOf("\n"); at >= 0; at = body.indexOf("\n", at + 1)) lines++;
  return lines >> 1;
}

/** The few other things that shippers ask of Elasticsearch before they write. */
function answerOther(method: string, path: string, response: ServerResponse): void {
  if (method === "HEAD") {
    response.end();
    return;
  }
  if (path === "/" || path === "") return json(response, 200, INFO);
  if (path.startsWith("/_nodes")) {
    const node = { name: "bench", version: VERSION, roles: ["data", "ingest", "master"] };
    return json(response, 200, JSON.stringify({ cluster_name: "bench", nodes: { n1: node } }));
  }
  if (path.startsWith("/_security/user/_has_privileges")) {
    return json(
      response,
      200,
      '{"username":"bench","has_all_requested":true,"cluster":{},"index":{},"application":{}}',
    );
  }
  if (path.startsWith("/_resolve/index")) return json(response, 200, '{"indices":[],"aliases":[],"data_streams":[]}');
  if (method === "GET" && path.startsWith("/_index_template/")) {
    return json(
      response,
      404,
      '{"error":{"type":"resource_not_found_exception","reason":"no such template"},"status":404}',
    );
  }
  if (method === "GET") return json(response, 200, "{}");
  json(response, 200, '{"acknowledged":true,"shards_acknowledged":true}');
}

function json(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

const { values } = parseArgs({
  options: {
    kind: { type: "string", default: "nginx" },
    lines: { type: "string", default: "0" },
    port: { type: "string", default: "0" },
    "latency-ms": { type: "string", default: "0" },
    refuse: { type: "string", default: "0" },
    "refuse-items": { type: "string", default: "0" },
  },
});

const bulk = new BulkServer({
  kind: values.kind as InputKind,
  lines: Number(values.lines),
  latencyMs: Number(values["latency-ms"]),
  refuse: Number(values.refuse),
  refuseItems: Number(values["refuse-items"]),
});
const server = createServer((request, response) => bulk.handle(request, response));
server.listen(Number(values.port), "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  if (process.send === undefined) console.log(`http://127.0.0.1:${port}`);
  else process.send({ type: "listening", port });
});
process.on("message", (message) => {
  if (message === "stats") process.send?.(bulk.stats());
  if (message === "stop") process.exit(0);
});
process.on("disconnect", () => process.exit(0));
