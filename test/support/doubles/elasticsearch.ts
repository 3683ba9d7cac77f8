import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export interface DoubleRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  /** Unpacked. */
  readonly body: string;
}

export interface DoubleReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * An answer of its own for a request, "hang" for none ever, "work on" for none while the server works on it (a bulk:
 * `finishTasks` ends it), "reset" for a connection that breaks in the middle of the usual answer, or undefined for the
 * usual one.
 */
export type Answer = (request: DoubleRequest) => DoubleReply | "hang" | "work on" | "reset" | undefined;

/**
 * A server that speaks as much of Elasticsearch's API as the sink uses, for what the bare real servers lack:
 * authentication, privileges, TLS, and overload on demand. It keeps documents by id, so 409 is real; after `rollover`
 * the same id is taken again, as by a real data stream.
 */
export class ElasticsearchDouble {
  answer: Answer = () => undefined;
  readonly requests: DoubleRequest[] = [];
  /** `message` of each document, by `_id`. */
  readonly documents = new Map<string, string>();
  /** The data stream's backing indices, oldest first: ids in each. Made by the first document. */
  readonly backing: Set<string>[] = [];
  #tasks: DoubleRequest[] = [];
  readonly #server: http.Server;
  readonly #sockets = new Set<Socket>();
  readonly #scheme: string;

  private constructor(server: http.Server, scheme: string) {
    this.#server = server;
    this.#scheme = scheme;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("request", (request, response) => void this.#handle(request, response));
  }

  static async start(tls?: { readonly key: Buffer; readonly cert: Buffer }): Promise<ElasticsearchDouble> {
    const server = tls === undefined ? http.createServer() : https.createServer(tls);
    const double = new ElasticsearchDouble(server, tls === undefined ? "http" : "https");
    await double.listen(0);
    return double;
  }

  get port(): number {
    return this.#port;
  }
  #port = 0;

  get url(): string {
    return `${this.#scheme}://localhost:${this.#port}`;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Refuses connections until `listen` is called again. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  rollover(): void {
    this.backing.push(new Set());
  }

  /** Ends the bulks that the server works on without anybody waiting for them. */
  finishTasks(): void {
    for (const { body } of this.#tasks.splice(0)) this.#bulk(body);
  }

  /** Does what a request asks, without an answer. */
  take(request: DoubleRequest): void {
    this.#usual(request);
  }

  /** How many copies of documents there are beyond one each, over all backing indices. */
  get copies(): number {
    return this.backing.reduce((sum, ids) => sum + ids.size, 0) - this.documents.size;
  }

  bulkRequests(): DoubleRequest[] {
    return this.requests.filter((request) => request.path.endsWith("/_bulk"));
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // The client went away.
    }
    const raw = Buffer.concat(chunks);
    const url = new URL(request.url ?? "/", "http://double");
    const seen: DoubleRequest = {
      method: request.method ?? "",
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
      body: (request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw).toString(),
    };
    this.requests.push(seen);
    const reply = this.answer(seen) ?? this.#usual(seen);
    if (reply === "hang") return;
    if (reply === "work on") {
      this.#tasks.push(seen);
      return;
    }
    if (reply === "reset") {
      const usual = JSON.stringify(this.#usual(seen).body);
      const headers = { "x-elastic-product": "Elasticsearch", "content-type": "application/json" };
      response.writeHead(200, { ...headers, "content-length": String(Buffer.byteLength(usual)) });
      response.write(usual.slice(0, usual.length / 2), () => response.destroy());
      return;
    }
    const text = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body ?? {});
    response.writeHead(reply.status ?? 200, {
      "content-type":
        typeof reply.body === "string" ? "text/html" : "application/vnd.elasticsearch+json;compatible-with=8",
      "x-elastic-product": "Elasticsearch",
      ...reply.headers,
    });
    response.end(request.method === "HEAD" ? undefined : text);
  }

  #usual(request: DoubleRequest): DoubleReply {
    const { path } = request;
    if (path.endsWith("/_bulk")) return { body: this.#bulk(request.body) };
    if (path === "/_nodes/_local") return { body: { nodes: { abc: { version: "9.5.3" } } } };
    if (path === "/_index_template") return { body: { index_templates: [] } };
    if (path.startsWith("/_index_template/")) return { body: { acknowledged: true } };
    if (path.startsWith("/_resolve/index/")) {
      const names = this.backing.map((_, i) => backingName(i));
      return { body: names.length === 0 ? {} : { data_streams: [{ backing_indices: names }] } };
    }
    if (path === "/_tasks") {
      const tasks = this.#tasks.map(({ headers }, i) => [
        `n:${i}`,
        { running_time_in_nanos: 5e8, headers: { "X-Opaque-Id": headers["x-opaque-id"] } },
      ]);
      return { body: { nodes: { n: { tasks: Object.fromEntries(tasks) as unknown } } } };
    }
    const index = this.backing.findIndex((_, i) => path === `/${backingName(i)}/_mget`);
    if (index >= 0) {
      const { ids } = JSON.parse(request.body) as { ids: string[] };
      return { body: { docs: ids.map((id) => ({ found: this.backing[index]!.has(id) })) } };
    }
    if (path === "/_security/user/_has_privileges")
      return { body: { has_all_requested: true, cluster: {}, index: {} } };
    return {
      status: 404,
      body: { error: { type: "index_not_found_exception", reason: "no such index" }, status: 404 },
    };
  }

  #bulk(body: string): unknown {
    const lines = body.split("\n");
    let errors = false;
    const items: unknown[] = [];
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const action = JSON.parse(lines[i]!) as { create: { _id: string } };
      const document = JSON.parse(lines[i + 1]!) as { message?: string };
      const id = action.create._id;
      if (this.backing.length === 0) this.backing.push(new Set());
      const current = this.backing.at(-1)!;
      if (current.has(id)) {
        errors = true;
        items.push({ create: { status: 409, error: { type: "version_conflict_engine_exception", reason: "exists" } } });
      } else {
        current.add(id);
        this.documents.set(id, document.message ?? "");
        items.push({ create: { status: 201 } });
      }
    }
    return { errors, items };
  }
}

function backingName(i: number): string {
  return `.ds-double-${String(i + 1).padStart(6, "0")}`;
}

/** A certificate authority and a certificate for `localhost` and names below it, made by openssl; valid for a day. */
export function makeCertificate(): { key: Buffer; cert: Buffer; caFile: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "wiretail-tls-"));
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "1", "-subj", "/CN=Wiretail test CA");
  openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
  const extensions = "subjectAltName=DNS:localhost,DNS:*.localhost";
  execFileSync("bash", ["-c", `echo '${extensions}' > ext`], { cwd: folder });
  const sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "ext"];
  openssl("x509", "-req", "-in", "server.csr", ...sign, "-out", "server.pem");
  return {
    key: readFileSync(join(folder, "server.key")),
    cert: readFileSync(join(folder, "server.pem")),
    caFile: join(folder, "ca.pem"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
