import { readFileSync } from "node:fs";
import type { Client, ClientOptions } from "@elastic/elasticsearch";
import { errorMessage, systemErrorCode, WiretailError } from "../../core/error.ts";
import type { WriteResult } from "../../core/component.ts";
import { quickReply } from "./bulk.ts";
import { cloudIdUrl } from "./cloud-id.ts";
import type { ElasticsearchOptions } from "./options.ts";
import { callVerdict, retryAfter } from "./verdict.ts";

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "HEAD";
  /** From the root, already percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** An object goes as JSON; bytes go as they are, as newline-delimited JSON. */
  readonly body?: Buffer | object;
  readonly gzipped?: boolean;
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
  constructor(status: number, result: WriteResult) {
    super("reason" in result ? result.reason : "failed");
    this.status = status;
    this.result = result;
  }
}

/** The vendor's client, used for its connections only: its retries, sniffing and serialisation of bodies are off. */
export class Connection {
  readonly #client: Client;
  readonly #opaqueId: string;
  readonly #now: () => number;
  #closed = false;

  private constructor(client: Client, opaqueId: string, now: () => number) {
    this.#client = client;
    this.#opaqueId = opaqueId;
    this.#now = now;
  }

  /** Throws WT_CONFIG_INVALID where the CA file cannot be read. Loading the client takes 0.1 s, so it is done here. */
  static async open(options: ElasticsearchOptions, sinkId: string, now: () => number): Promise<Connection> {
    const { Client, ClusterConnectionPool, Serializer } = await import("@elastic/elasticsearch");
    class ReplySerializer extends Serializer {
      override deserialize<T>(json: string): T {
        return (quickReply(json) as T | undefined) ?? super.deserialize<T>(json);
      }
    }
    const settings: ClientOptions = {
      nodes: options.nodes ?? [cloudIdUrl(options.cloud_id ?? "")],
      maxRetries: 0,
      requestTimeout: options.request_timeout_ms,
      compression: false,
      // Leaves out nodes that failed; looks from time to time whether they are back.
      ConnectionPool: ClusterConnectionPool,
      Serializer: ReplySerializer,
      tls: {
        rejectUnauthorized: options.tls.verify,
        ...(options.ca_file === undefined ? {} : { ca: readCa(options.ca_file) }),
      },
      ...authOf(options),
    };
    return new Connection(new Client(settings), `wiretail/${sinkId}`, now);
  }

  /** One attempt. Throws CallFailed for anything but a 2xx reply of an Elasticsearch server. */
  async call(call: Call, signal: AbortSignal): Promise<Reply> {
    const { body } = call;
    const headers: Record<string, string> = {};
    if (call.gzipped === true) headers["content-encoding"] = "gzip";
    try {
      const reply = await this.#client.transport.request(
        {
          method: call.method,
          path: call.path,
          ...(call.query === undefined ? {} : { querystring: call.query }),
          ...(body === undefined ? {} : Buffer.isBuffer(body) ? { bulkBody: body } : { body }),
        },
        { meta: true, signal, headers, opaqueId: this.#opaqueId },
      );
      return { status: reply.statusCode ?? 0, body: reply.body };
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#client.close();
  }

  #failure(error: unknown): CallFailed {
    const { name, meta } = error as {
      name?: string;
      meta?: { statusCode?: number; body?: unknown; headers?: unknown; meta?: unknown };
    };
    const status = meta?.statusCode ?? 0;
    switch (name) {
      case "ResponseError": {
        const header = (meta?.headers as Record<string, unknown> | undefined)?.["retry-after"];
        return new CallFailed(status, callVerdict(status, meta?.body, retryAfter(header, this.#now())));
      }
      case "ProductNotSupportedError":
        return new CallFailed(status, {
          outcome: "hold",
          reason: "what answers there is not Elasticsearch (its X-Elastic-Product header is missing)",
        });
      case "TimeoutError":
        this.#avoid(meta?.meta);
        return new CallFailed(0, { outcome: "retry", reason: "no answer within request_timeout_ms" });
      case "RequestAbortedError":
        return new CallFailed(0, { outcome: "retry", reason: "given up: the call was aborted" });
      case "DeserializationError":
        return new CallFailed(status, {
          outcome: "retry",
          reason: `the answer is not valid JSON: ${errorMessage(error)}`,
        });
      default:
        return new CallFailed(0, connectionVerdict(errorMessage(error)));
    }
  }

  /** The client itself leaves out only nodes that refuse connections; one that hangs would take every other call. */
  #avoid(meta: unknown): void {
    const id = (meta as { connection?: { id?: string } } | undefined)?.connection?.id;
    const pool = this.#client.connectionPool;
    const connection = pool.connections.find((candidate) => candidate.id === id);
    if (connection !== undefined && pool.size > 1) pool.markDead(connection);
  }
}

/** TLS does not mend itself: those faults hold, everything else may be a restart or the network. */
function connectionVerdict(message: string): WriteResult {
  if (/certificate|altnames|self.signed|SSL routines|wrong version number/i.test(message)) {
    return { outcome: "hold", reason: `TLS: ${message} (check ca_file, and http or https in nodes)` };
  }
  return { outcome: "retry", reason: `not reached: ${message}` };
}

function authOf(options: ElasticsearchOptions): Pick<ClientOptions, "auth"> {
  if (options.api_key !== undefined) return { auth: { apiKey: options.api_key } };
  if (options.username === undefined) return {};
  return { auth: { username: options.username, password: options.password ?? "" } };
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
