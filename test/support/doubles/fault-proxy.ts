import { createServer, request as httpRequest, Agent, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";

/**
 * What happens to requests while the fault lasts. `share` (1 by default) of them have it, by the proxy's random numbers; with
 * `inTurns` every second one, the first of all included.
 *
 * - `refuse`: the connection is reset before anything is forwarded.
 * - `hang`: nothing is forwarded and nothing answered until the fault ends; then the connection is reset.
 * - `status`: answered here, nothing is forwarded. With `aboveBytes` only requests with larger bodies.
 * - `items`: this share of the documents of a bulk call is refused here, and only the others are forwarded.
 * - `reset_reply`: forwarded, and the connection is reset in the middle of the reply.
 * - `late`: forwarded at once, and the reply is held back for so long.
 */
export type ProxyFault = { readonly share?: number; readonly inTurns?: boolean } & (
  | { readonly kind: "refuse" | "hang" | "reset_reply" }
  | {
      readonly kind: "status";
      readonly status: number;
      readonly type: string;
      readonly retryAfterSeconds?: number;
      readonly aboveBytes?: number;
    }
  | { readonly kind: "items"; readonly status: number; readonly type: string }
  | { readonly kind: "late"; readonly delayMs: number }
);

/** A request that was forwarded as a whole. */
export interface ProxyCall {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  /** The whole reply was handed to the client's open connection, and the client did not close it in that moment. */
  answered: boolean;
  /** Status of the server's reply; 0 while or when there is none. */
  status: number;
}

export interface FaultProxyOptions {
  /** `http://HOST:PORT` of the server. */
  readonly target: string;
  readonly random: () => number;
  /** The header that tells clients what answers, and the type of replies that are made here. */
  readonly replyHeaders: Readonly<Record<string, string>>;
  /** A reply's body for a refusal, in the server's own form. */
  readonly errorBody: (status: number, type: string) => string;
  /** Told of each request just before it is forwarded. */
  readonly onCall?: (call: ProxyCall) => void;
}

/**
 * An HTTP proxy on a loopback port that breaks things on purpose. Nothing is forwarded for a client whose connection is
 * closed: what arrives at the server after that left here before.
 */
export class FaultProxy {
  fault: ProxyFault | undefined;
  #turns = 0;
  readonly #options: FaultProxyOptions;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server = createServer((request, response) => {
    this.#handle(request, response).catch(() => request.socket.resetAndDestroy());
  });
  /** Requests that wait for the end of a fault. */
  readonly #waiting = new Set<IncomingMessage>();
  #reading = 0;
  #port = 0;

  constructor(options: FaultProxyOptions) {
    this.#options = options;
    // A connection that is closed because it was idle may be closed under a request: no fault that anybody asked for, and
    // the client has to take a call for one without an answer that was never seen here.
    this.#server.keepAliveTimeout = 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  /** Ends the fault; what hung because of it is reset. */
  clear(): void {
    this.fault = undefined;
    for (const request of this.#waiting) request.socket.resetAndDestroy();
    this.#waiting.clear();
  }

  /** Resolves when nothing that was sent to the proxy is still to be forwarded. */
  async idle(): Promise<void> {
    do await sleep(5);
    while (this.#reading > 0);
  }

  async stop(): Promise<void> {
    this.clear();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
    this.#agent.destroy();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = this.#drawn();
    this.#reading++;
    let body: Buffer;
    try {
      body = await readAll(request);
    } finally {
      this.#reading--;
    }
    if (request.socket.destroyed) return;
    const path = request.url ?? "/";
    switch (fault?.kind) {
      case "refuse":
        request.socket.resetAndDestroy();
        return;
      case "hang":
        this.#waiting.add(request);
        request.socket.once("close", () => this.#waiting.delete(request));
        return;
      case "status":
        if (body.length <= (fault.aboveBytes ?? -1)) break;
        response.writeHead(fault.status, {
          ...this.#options.replyHeaders,
          ...(fault.retryAfterSeconds === undefined ? {} : { "retry-after": String(fault.retryAfterSeconds) }),
        });
        response.end(this.#options.errorBody(fault.status, fault.type));
        return;
      case "items":
        if (path.split("?")[0]!.endsWith("/_bulk")) return this.#refuseItems(request, response, body, fault);
        break;
      case "reset_reply":
      case "late":
      case undefined:
    }
    const call = this.#call(request, body);
    const reply = await this.#forward(request, call, path, request.headers, body);
    if (reply === undefined || request.socket.destroyed) return void request.socket.destroy();
    if (fault?.kind === "late") await sleep(fault.delayMs);
    if (request.socket.destroyed) return;
    const { "transfer-encoding": _chunked, connection: _connection, ...headers } = reply.headers;
    headers["content-length"] = String(reply.body.length);
    response.writeHead(reply.status, headers);
    if (fault?.kind === "reset_reply") {
      response.write(reply.body.subarray(0, reply.body.length >> 1));
      await sleep(2);
      request.socket.resetAndDestroy();
      return;
    }
    response.end(reply.body, () => {
      this.#answered(call, request.socket);
    });
  }

  /** A client that gives up while the reply is on its way closes its connection unread. */
  #answered(call: ProxyCall, socket: Socket): void {
    call.answered = true;
    const onClose = (): void => {
      call.answered = false;
    };
    // Many calls may be made over one connection within that time.
    socket.setMaxListeners(0);
    socket.once("close", onClose);
    setTimeout(() => socket.off("close", onClose), READ_WITHIN_MS).unref();
  }

  #drawn(): ProxyFault | undefined {
    const { fault } = this;
    if (fault?.inTurns === true) return this.#turns++ % 2 === 0 ? fault : undefined;
    return fault !== undefined && this.#options.random() < (fault.share ?? 1) ? fault : undefined;
  }

  #call(request: IncomingMessage, body: Buffer): ProxyCall {
    const call = { path: request.url ?? "/", headers: request.headers, body, answered: false, status: 0 };
    this.#options.onCall?.(call);
    return call;
  }

  /** A bulk call of which only some documents reach the server. A share of 1 is taken as a half: some are to get through. */
  async #refuseItems(
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    fault: Extract<ProxyFault, { kind: "items" }>,
  ): Promise<void> {
    const plain = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
    const lines = splitLines(plain);
    const refused: boolean[] = [];
    const kept: Buffer[] = [];
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const isRefused = this.#options.random() < 0.5;
      refused.push(isRefused);
      if (!isRefused) kept.push(lines[i]!, lines[i + 1]!);
    }
    let items: unknown[] = [];
    if (kept.length > 0) {
      const { "content-encoding": _encoding, ...headers } = request.headers;
      const url = new URL(request.url ?? "/", this.#options.target);
      url.searchParams.set("filter_path", "errors,items");
      const rest = Buffer.concat(kept);
      const call = this.#call(request, rest);
      const reply = await this.#forward(request, call, url.pathname + url.search, headers, rest);
      if (reply === undefined || request.socket.destroyed) return void request.socket.destroy();
      if (reply.status !== 200) {
        response.writeHead(reply.status, { ...this.#options.replyHeaders });
        response.end(reply.body);
        return;
      }
      items = (JSON.parse(reply.body.toString("utf8")) as { items: unknown[] }).items;
    }
    let at = 0;
    const { status, type } = fault;
    const error = { type, reason: "refused by the fault proxy" };
    const merged = refused.map((isRefused) => (isRefused ? { create: { status, error } } : items[at++]));
    response.writeHead(200, { ...this.#options.replyHeaders });
    response.end(JSON.stringify({ errors: merged.length > 0, items: merged }));
  }

  /** Undefined when the server gives no whole reply. */
  async #forward(
    client: IncomingMessage,
    call: ProxyCall,
    path: string,
    headers: IncomingMessage["headers"],
    body: Buffer,
  ): Promise<{ status: number; headers: IncomingMessage["headers"]; body: Buffer } | undefined> {
    if (client.socket.destroyed) return undefined;
    try {
      const reply = await new Promise<IncomingMessage>((done, fail) => {
        const { "transfer-encoding": _chunked, connection: _connection, ...rest } = headers;
        const outgoing = httpRequest(new URL(path, this.#options.target), {
          method: client.method ?? "GET",
          agent: this.#agent,
          headers: { ...rest, "content-length": String(body.length) },
        });
        outgoing.once("response", done).once("error", fail);
        outgoing.end(body);
      });
      call.status = reply.statusCode ?? 0;
      return { status: call.status, headers: reply.headers, body: await readAll(reply) };
    } catch {
      return undefined;
    }
  }
}

/** A client that was heard of no more for so long after a reply has read it. */
const READ_WITHIN_MS = 250;

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline + 1;
    lines.push(bytes.subarray(start, end));
    start = end;
  }
  return lines;
}
