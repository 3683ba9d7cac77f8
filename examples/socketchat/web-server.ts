import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { accessLine, type LogFile } from "./log-files.ts";
import type { Rooms } from "./rooms.ts";

const PAGE = `<!doctype html><title>socketchat</title><link rel="stylesheet" href="/style.css"><h1>socketchat</h1>
<p>Rooms: <a href="/api/rooms">/api/rooms</a></p>
`;
const STYLE = "body { font: 16px/1.5 sans-serif; margin: 2rem auto; max-width: 40rem }\n";
const STYLE_ETAG = '"1"';
const MAX_BODY_BYTES = 2000;
const EXPORT_MS = 200;

interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * The chat's small HTTP side: a page, the rooms as JSON, posting without a socket, and an export that serves one caller
 * at a time. Every request becomes a line of access.log as nginx would write it.
 */
export class WebServer {
  readonly #log: LogFile;
  readonly #rooms: Rooms;
  readonly #server: Server;
  #exporting = false;

  constructor(log: LogFile, rooms: Rooms) {
    this.#log = log;
    this.#rooms = rooms;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  /** Resolves with the port once it listens on loopback. */
  async listen(port: number): Promise<number> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const time = new Date();
    // The address is gone once the client has closed the connection.
    const address = request.socket.remoteAddress ?? "-";
    const { status, body = "", type = "text/plain; charset=utf-8", headers = {} } = await this.#answer(request);
    const bytes = status === 204 || status === 304 ? 0 : Buffer.byteLength(body);
    response.writeHead(status, { ...(bytes > 0 ? { "Content-Type": type, "Content-Length": bytes } : {}), ...headers });
    response.end(request.method === "HEAD" ? undefined : body);
    this.#log.write(
      accessLine({
        address,
        user: userOf(request.headers.authorization),
        time,
        method: request.method ?? "GET",
        target: request.url ?? "/",
        httpVersion: request.httpVersion,
        status,
        bytes: request.method === "HEAD" ? 0 : bytes,
        referrer: request.headers.referer,
        userAgent: request.headers["user-agent"],
      }),
    );
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const room = /^\/api\/rooms\/([^/]+)\/messages$/.exec(pathname)?.[1];
    if (request.method === "POST" && room !== undefined) return this.#post(decodeURIComponent(room), request);
    if (request.method !== "GET" && request.method !== "HEAD") return { status: 405, body: "method not allowed\n" };
    if (room !== undefined) {
      const messages = this.#rooms.messages(decodeURIComponent(room));
      return messages === undefined ? { status: 404, body: "no such room\n" } : json(200, messages);
    }
    switch (pathname) {
      case "/":
        return { status: 200, body: PAGE, type: "text/html; charset=utf-8" };
      case "/style.css":
        if (request.headers["if-none-match"] === STYLE_ETAG) return { status: 304, headers: { ETag: STYLE_ETAG } };
        return { status: 200, body: STYLE, type: "text/css", headers: { ETag: STYLE_ETAG } };
      case "/chat":
        return { status: 302, headers: { Location: "/" } };
      case "/api/rooms":
        return json(200, this.#rooms.names());
      case "/api/export":
        return this.#export();
      case "/admin":
        return userOf(request.headers.authorization) === undefined
          ? { status: 401, body: "who are you?\n", headers: { "WWW-Authenticate": "Basic" } }
          : { status: 403, body: "not for you\n" };
      default:
        return { status: 404, body: "not found\n" };
    }
  }

  async #post(room: string, request: IncomingMessage): Promise<Answer> {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) {
      text += String(chunk);
      if (text.length > MAX_BODY_BYTES) return { status: 413, body: "too long\n" };
    }
    try {
      const message = JSON.parse(text) as { from?: unknown; text?: unknown };
      if (typeof message.from !== "string" || typeof message.text !== "string")
        return { status: 422, body: "from and text\n" };
      this.#rooms.add(room, message.from, message.text);
      return json(201, { room });
    } catch {
      return { status: 400, body: "not JSON\n" };
    }
  }

  async #export(): Promise<Answer> {
    if (this.#exporting) return { status: 503, body: "an export is running\n", headers: { "Retry-After": "1" } };
    this.#exporting = true;
    try {
      await pause(EXPORT_MS);
      return json(
        200,
        this.#rooms.names().map((room) => ({ room, messages: this.#rooms.messages(room) })),
      );
    } finally {
      this.#exporting = false;
    }
  }
}

function json(status: number, value: unknown): Answer {
  return { status, body: JSON.stringify(value) + "\n", type: "application/json" };
}

/** The name of basic credentials, as nginx's $remote_user: the password is not checked. */
function userOf(authorization: string | undefined): string | undefined {
  if (authorization?.startsWith("Basic ") !== true) return undefined;
  return Buffer.from(authorization.slice(6), "base64").toString("utf8").split(":", 1)[0];
}
