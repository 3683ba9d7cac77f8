import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { ERROR_CODES, errorMessage, systemErrorCode, WiretailError, type ErrorCode } from "../core/error.ts";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Answers a GET: status, content type, body; undefined for paths it does not know. */
export type Handler = (path: string) => Answer | undefined;

/**
 * Does what a POST on the control socket asks: takes the JSON body and gives what is answered as JSON. Undefined for
 * paths it does not know. What it throws is thrown again by `askAgent` on the other side.
 */
export type CommandHandler = (path: string, body: unknown) => Promise<unknown> | undefined;

/** What is written to somebody who asked for a stream of lines. */
export interface StreamWriter {
  /** What was written and not taken yet. */
  readonly bufferedBytes: number;
  write(text: string): void;
  end(): void;
}

/**
 * Begins what a POST asks for that goes on until somebody ends it; undefined for paths it does not know. It gives a
 * function that is called with where to write, which gives one that is called when nobody reads any more.
 */
export type StreamHandler = (path: string, body: unknown) => ((writer: StreamWriter) => () => void) | undefined;

/** Longest path of a unix socket on Linux; Node cuts longer ones silently and listens on another file. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * The agent's control socket: HTTP over a unix socket, for the user who runs the agent (mode 0600). It lies in the
 * state directory, or, where that path is too long for a socket, in a folder of our own under the system's temporary
 * one; `control.path` in the state directory says which.
 */
export async function serveControl(
  stateDir: string,
  handler: Handler,
  commands: CommandHandler = () => undefined,
  streams: StreamHandler = () => undefined,
): Promise<{ close: () => Promise<void> }> {
  let path = join(stateDir, "control.sock");
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    const folder = join(
      process.env["XDG_RUNTIME_DIR"] ?? tmpdir(),
      `wiretail-${createHash("sha256").update(stateDir).digest("hex").slice(0, 16)}`,
    );
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    path = join(folder, "control.sock");
  }
  await rm(path, { force: true });
  const server = createServer((req, res) => {
    if (req.method === "POST") void obey(commands, streams, req, res);
    else answer(handler, req, res);
  });
  // The socket must never be open to others, not even between listen and chmod.
  const mask = process.umask(0o177);
  try {
    await listen(server, { path });
  } finally {
    process.umask(mask);
  }
  const end = async (): Promise<void> => {
    await close(server);
    await rm(path, { force: true });
  };
  try {
    await writeFile(join(stateDir, "control.path"), path + "\n", { mode: 0o640 });
  } catch (error) {
    // A server that nobody knows of would keep the process from ending.
    await end();
    throw error;
  }
  return { close: end };
}

/** `/metrics` and `/healthz` on TCP. GET only; names in the Host header are not trusted with anything. */
export async function serveHttp(
  address: { host: string; port: number },
  handler: Handler,
): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer((req, res) => {
    answer(handler, req, res);
  });
  server.requestTimeout = 10_000;
  await listen(server, address);
  const bound = server.address();
  return { port: typeof bound === "object" && bound !== null ? bound.port : address.port, close: () => close(server) };
}

/**
 * Asks a running agent: a GET, or, with a `body`, a POST of that as JSON. Resolves with the text of the answer. Throws
 * WT_NO_AGENT when none answers for this state directory, and what the agent threw when it could not do it.
 */
export async function askAgent(
  stateDir: string,
  path: string,
  options: { readonly body?: unknown; readonly timeoutMs?: number } = {},
): Promise<string> {
  const { timeoutMs = 10_000 } = options;
  const socketPath = await socketOf(stateDir);
  return new Promise((resolve, reject) => {
    const method = options.body === undefined ? "GET" : "POST";
    const headers = { "content-type": "application/json" };
    const req = request({ socketPath, path, method, headers }, (res) => {
      let body = "";
      res.setEncoding("utf8");
      res.on("data", (chunk: string) => (body += chunk));
      res.on("end", () => {
        if (res.statusCode === 200) resolve(body);
        else if (res.statusCode === 400) reject(errorOf(body));
        else reject(otherVersion(stateDir, res));
      });
      res.on("error", reject);
    });
    // Not a time without traffic: an agent that hangs keeps the connection open.
    const late = setTimeout(() => req.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    req.on("close", () => {
      clearTimeout(late);
    });
    req.on("error", (error) => {
      reject(cannotAsk(stateDir, error));
    });
    req.end(options.body === undefined ? undefined : JSON.stringify(options.body));
  });
}

/**
 * Asks a running agent for a stream: gives its lines until the agent ends it or the signal aborts. A reader that does
 * not come back for the next line holds the stream up. Throws as `askAgent` does.
 */
export async function* followAgent(
  stateDir: string,
  path: string,
  body: unknown,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const socketPath = await socketOf(stateDir);
  const res = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const req = request({ socketPath, path, method: "POST", headers, signal }, resolve);
    req.on("error", (error) => {
      reject(cannotAsk(stateDir, error));
    });
    req.end(JSON.stringify(body));
  });
  res.setEncoding("utf8");
  let rest = "";
  try {
    for await (const chunk of res as AsyncIterable<string>) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      if (res.statusCode === 200) yield* lines;
    }
  } catch (error) {
    // The agent is gone, or nobody wants more.
    if (!signal.aborted && systemErrorCode(error) !== "ECONNRESET") throw error;
  }
  if (res.statusCode === 400) throw errorOf(rest);
  if (res.statusCode !== 200) throw otherVersion(stateDir, res);
}

function noAgent(stateDir: string, why: string, hint: string): WiretailError {
  return new WiretailError("WT_NO_AGENT", `no agent answers for the state directory ${stateDir}: ${why}`, { hint });
}

/** The path of the agent's control socket. */
async function socketOf(stateDir: string): Promise<string> {
  try {
    return (await readFile(join(stateDir, "control.path"), "utf8")).trim();
  } catch (error) {
    if (systemErrorCode(error) === "EACCES")
      throw noAgent(stateDir, "permission denied", "run this as the agent's user or as root");
    throw noAgent(stateDir, "it was never started there", "start it with: wiretail run -c FILE");
  }
}

function cannotAsk(stateDir: string, error: Error): WiretailError {
  const code = systemErrorCode(error);
  if (code === "EACCES") return noAgent(stateDir, "permission denied", "run this as the agent's user or as root");
  if (code === "ENOENT" || code === "ECONNREFUSED")
    return noAgent(stateDir, "it does not run", "start it with: wiretail run -c FILE");
  return noAgent(stateDir, error.message, "look at the agent's log");
}

function otherVersion(stateDir: string, { statusCode }: IncomingMessage): WiretailError {
  return noAgent(stateDir, `it answered ${statusCode ?? "nothing"}`, "is it another version? restart the agent");
}

/** What the agent threw, as it was. */
function errorOf(body: string): WiretailError {
  let said: { code?: unknown; message?: unknown; hint?: unknown } = {};
  try {
    said = JSON.parse(body) as typeof said;
  } catch {
    // Not ours; the text itself then says something.
  }
  const code: ErrorCode = Object.hasOwn(ERROR_CODES, String(said.code)) ? (said.code as ErrorCode) : "WT_INTERNAL";
  return new WiretailError(
    code,
    typeof said.message === "string" ? said.message : body.slice(0, 1000),
    typeof said.hint === "string" ? { hint: said.hint } : {},
  );
}

const MAX_COMMAND_BYTES = 4 << 20;

async function obey(
  commands: CommandHandler,
  streams: StreamHandler,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const json = "application/json";
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of req as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_COMMAND_BYTES) throw new WiretailError("WT_USAGE", "the request is too large");
      chunks.push(chunk);
    }
    let body: unknown;
    try {
      body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    } catch {
      throw new WiretailError("WT_USAGE", "the request is not JSON");
    }
    const path = (req.url ?? "/").split("?")[0]!;
    const begin = streams(path, body);
    if (begin !== undefined) {
      stream(begin, res);
      return;
    }
    const result = commands(path, body);
    if (result === undefined) send(req, res, { status: 404, type: "text/plain; charset=utf-8", body: "not here\n" });
    else send(req, res, { status: 200, type: json, body: JSON.stringify((await result) ?? null) + "\n" });
  } catch (error) {
    const { code, hint } = error instanceof WiretailError ? error : { code: "WT_INTERNAL", hint: undefined };
    send(req, res, { status: 400, type: json, body: JSON.stringify({ code, message: errorMessage(error), hint }) });
  }
}

/** Lines of JSON, until either side ends it. */
function stream(begin: (writer: StreamWriter) => () => void, res: ServerResponse): void {
  if (res.destroyed) return;
  res.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  const stop = begin({
    get bufferedBytes() {
      return res.writableLength;
    },
    write: (text) => {
      if (!res.destroyed) res.write(text);
    },
    end: () => {
      res.end();
    },
  });
  res.once("close", stop);
  res.on("error", () => undefined);
}

function answer(handler: Handler, req: IncomingMessage, res: ServerResponse): void {
  const path = (req.url ?? "/").split("?")[0]!;
  const found = req.method === "GET" || req.method === "HEAD" ? handler(path) : undefined;
  const status = req.method === "GET" ? 404 : 405;
  send(req, res, found ?? { status, type: "text/plain; charset=utf-8", body: "not here\n" });
}

function send(req: IncomingMessage, res: ServerResponse, { status, type, body }: Answer): void {
  if (res.destroyed) return;
  res.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  res.end(req.method === "HEAD" ? undefined : body);
}

function listen(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
