import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { errorMessage, systemErrorCode, WiretailError } from "../../core/error.ts";
import type { Log, Verdict, WriteResult } from "../../core/component.ts";
import { cloudIdUrl } from "./cloud-id.ts";
import type { NodeClient, NodeClientOptions } from "./node-client.ts";
import { Nodes, type Node } from "./nodes.ts";
import type { ElasticsearchOptions } from "./options.ts";
import { callVerdict, retryAfter } from "./verdict.ts";

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "HEAD";
  /** From the root, already percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Goes as JSON. */
  readonly body?: object;
  /** Instead of `body`: newline-delimited JSON, or what gzip made of it, which goes as it is, one piece after the other. */
  readonly bulk?: { readonly pieces: readonly Buffer[]; readonly gzipped: boolean };
  /** What the server lists the call under; the sink's own name unless given. */
  readonly opaqueId?: string;
}

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** What the server refused, or why it was not reached. */
export class CallFailed extends Error {
  /** Of HTTP; 0 when there was no answer. */
  readonly status: number;
  readonly result: WriteResult;
  /** Nothing of the call arrived, and nothing of it can arrive later. */
  readonly isClear: boolean;
  constructor(status: number, result: WriteResult, isClear: boolean) {
    super("reason" in result ? result.reason : "failed");
    this.status = status;
    this.result = result;
    this.isClear = isClear;
  }
}

/**
 * Reads a reply with a function that only takes it apart. What answers may be a proxy, or a server of the future: when
 * the reply has another form than expected that is no defect of ours, and the call counts as not answered. Throws
 * CallFailed then.
 */
export function readReply<T>(of: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CallFailed) throw error;
    const reason = `the answer to ${of} has not the form that Elasticsearch's have (${errorMessage(error)})`;
    throw new CallFailed(0, { outcome: "retry", reason }, false);
  }
}

/** All that most parts of the sink need of a Connection. */
export type Caller = Pick<Connection, "call">;

export interface ConnectionContext {
  readonly log: Log;
  /** Milliseconds since the epoch, for dates in `Retry-After`. */
  now(): number;
  monotonicMs(): number;
}

/**
 * The vendor's transport, one for each node, used for its connections only: its retries, sniffing, pools and serialisation
 * of bodies are off. Which node is asked, and which is left out, is up to `Nodes`.
 */
export class Connection {
  readonly #nodes: Nodes<NodeClient>;
  readonly #opaqueId: string;
  readonly #context: ConnectionContext;
  #closed = false;

  private constructor(nodes: Nodes<NodeClient>, opaqueId: string, context: ConnectionContext) {
    this.#nodes = nodes;
    this.#opaqueId = opaqueId;
    this.#context = context;
  }

  /** Throws WT_CONFIG_INVALID where the CA file cannot be read. Loading it takes 0.1 s, so it is done here. */
  static async open(options: ElasticsearchOptions, opaqueId: string, context: ConnectionContext): Promise<Connection> {
    const { openNodeClients } = await import("./node-client.ts");
    const addresses = options.nodes ?? [cloudIdUrl(options.cloud_id ?? "")];
    const clients = openNodeClients(addresses, {
      requestTimeoutMs: options.request_timeout_ms,
      tls: {
        rejectUnauthorized: options.tls.verify,
        ...(options.ca_file === undefined ? {} : { ca: readCa(options.ca_file) }),
      },
      auth: authOf(options),
    });
    const nodes = new Nodes(clients, {
      monotonicMs: () => context.monotonicMs(),
      random: Math.random,
      probe: probeNode,
      nameOf: (client) => `the node ${addresses[clients.indexOf(client)]}`,
      log: (message, fields) => {
        context.log.info(message, fields);
      },
    });
    return new Connection(nodes, opaqueId, context);
  }

  /** One attempt. Throws CallFailed for anything but a 2xx reply of an Elasticsearch server. */
  async call(call: Call, signal: AbortSignal): Promise<Reply> {
    if (signal.aborted) throw aborted(true);
    const taken = await withAbort(this.#nodes.take(), signal);
    if (!("target" in taken)) {
      const verdict = connectionVerdict(taken.reason);
      const wait = taken.waitMs > 0 ? { retryAfterMs: taken.waitMs } : {};
      throw new CallFailed(0, verdict.outcome === "retry" ? { ...verdict, ...wait } : verdict, true);
    }
    const tried = new Set<Node<NodeClient>>();
    for (let node = taken; ;) {
      try {
        return await this.#callNode(node, call, signal);
      } catch (error) {
        const next = error instanceof NeverSent ? this.#nodes.other(tried.add(node)) : undefined;
        if (next === undefined) throw error;
        node = next;
      }
    }
  }

  /** For `status`. */
  notes(): string[] {
    return this.#nodes.notes();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#nodes.close();
    for (const { target } of this.#nodes.all) await target.close();
  }

  async #callNode(node: Node<NodeClient>, call: Call, signal: AbortSignal): Promise<Reply> {
    const { body, bulk } = call;
    try {
      const reply = await node.target.transport.request(
        {
          method: call.method,
          path: call.path,
          ...(call.query === undefined ? {} : { querystring: call.query }),
          ...(body === undefined ? {} : { body }),
          ...(bulk === undefined ? {} : { bulkBody: bulkStream(bulk.pieces) }),
        },
        {
          meta: true,
          signal,
          headers: bulk === undefined ? {} : bulkHeaders(bulk),
          opaqueId: call.opaqueId ?? this.#opaqueId,
        },
      );
      this.#nodes.worked(node);
      return { status: reply.statusCode ?? 0, body: reply.body };
    } catch (error) {
      throw this.#failure(node, error);
    }
  }

  /** What a failed call means, for its documents and for the node. */
  #failure(node: Node<NodeClient>, error: unknown): CallFailed {
    const { name, meta } = error as {
      name?: string;
      meta?: { statusCode?: number; body?: unknown; headers?: unknown };
    };
    const status = meta?.statusCode ?? 0;
    switch (name) {
      case "ResponseError": {
        const header = (meta?.headers as Record<string, unknown> | undefined)?.["retry-after"];
        const askedMs = retryAfter(header, this.#context.now());
        if (status === 502 || status === 503 || status === 504) this.#nodes.failed(node, `HTTP ${status}`, askedMs);
        else {
          this.#nodes.worked(node);
          if (status === 429 && askedMs !== undefined) this.#nodes.paused(node, askedMs);
        }
        // What another node can take must not wait for this one.
        const asked = this.#nodes.other(new Set([node])) === undefined ? askedMs : undefined;
        return new CallFailed(status, callVerdict(status, meta?.body, asked), isRefusal(status));
      }
      case "ProductNotSupportedError":
        this.#nodes.worked(node);
        return new CallFailed(
          status,
          {
            outcome: "hold",
            reason: "what answers there is not Elasticsearch (its X-Elastic-Product header is missing)",
          },
          false,
        );
      case "TimeoutError":
        this.#nodes.failed(node, NO_ANSWER);
        return new CallFailed(0, { outcome: "retry", reason: NO_ANSWER }, false);
      case "RequestAbortedError":
        return aborted(false);
      case "DeserializationError":
        this.#nodes.worked(node);
        return new CallFailed(
          status,
          { outcome: "retry", reason: `the answer is not valid JSON: ${errorMessage(error)}` },
          false,
        );
      default: {
        const message = errorMessage(error);
        this.#nodes.failed(node, message);
        const verdict = connectionVerdict(message);
        return isNeverSent(message) ? new NeverSent(0, verdict, true) : new CallFailed(0, verdict, false);
      }
    }
  }
}

/** A stream can be sent once only: each attempt needs its own. */
function bulkStream(pieces: readonly Buffer[]): Buffer | Readable {
  return pieces.length === 1 ? pieces[0]! : Readable.from(pieces);
}

function bulkHeaders({ pieces, gzipped }: NonNullable<Call["bulk"]>): Record<string, string> {
  const byteLength = pieces.reduce((sum, { length }) => sum + length, 0);
  return { "content-length": String(byteLength), ...(gzipped ? { "content-encoding": "gzip" } : {}) };
}

/** No connection came about: another node may be given the same call at once. */
class NeverSent extends CallFailed {}

function isNeverSent(message: string): boolean {
  return /^connect |getaddrinfo|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|connect timeout/i.test(
    message,
  );
}

/** Answers by which a server says that it did nothing of what was asked. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408;
}

function aborted(isClear: boolean): CallFailed {
  return new CallFailed(0, { outcome: "retry", reason: "given up: the call was aborted" }, isClear);
}

/** Any answer is good that does not say that it cannot: small servers do not even know this path. */
async function probeNode(client: NodeClient, signal: AbortSignal): Promise<string | undefined> {
  try {
    await client.transport.request({ method: "HEAD", path: "/" }, { signal, requestTimeout: PROBE_TIMEOUT_MS });
    return undefined;
  } catch (error) {
    const { name, meta } = error as { name?: string; meta?: { statusCode?: number } };
    const status = meta?.statusCode ?? 0;
    if (name === "ProductNotSupportedError") return undefined;
    if (name === "ResponseError") return [502, 503, 504].includes(status) ? `HTTP ${status}` : undefined;
    return name === "TimeoutError" ? `no answer within ${PROBE_TIMEOUT_MS / 1000} s` : errorMessage(error);
  }
}

/** Rejects with CallFailed when the signal aborts first. What is waited for goes on. */
async function withAbort<T>(waiting: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => undefined;
  const given = new Promise<never>((_resolve, reject) => {
    stop = () => reject(aborted(true));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([waiting, given]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

const PROBE_TIMEOUT_MS = 5_000;
const NO_ANSWER = "no answer within request_timeout_ms";

/** TLS does not mend itself: those faults hold, everything else may be a restart or the network. */
function connectionVerdict(message: string): Extract<Verdict, { outcome: "retry" | "hold" }> {
  if (/certificate|altnames|self.signed|SSL routines|wrong version number/i.test(message)) {
    return { outcome: "hold", reason: `TLS: ${message} (check ca_file, and http or https in nodes)` };
  }
  return { outcome: "retry", reason: `not reached: ${message}` };
}

function authOf(options: ElasticsearchOptions): NodeClientOptions["auth"] {
  if (options.api_key !== undefined) return { apiKey: options.api_key };
  if (options.username === undefined) return undefined;
  return { username: options.username, password: options.password ?? "" };
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new WiretailError(
      "WT_CONFIG_INVALID",
      `ca_file ${file} cannot be read (${systemErrorCode(error) ?? errorMessage(error)})`,
      {
        cause: error,
        hint: "give the path of a PEM file that the agent's user may read",
      },
    );
  }
}
