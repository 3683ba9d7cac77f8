import type { FieldSpans } from "../field-spans.ts";

/** The head of an HTTP/1 message (RFC 9112): its start line and header fields. */
export interface HttpHead {
  /** Of a request; undefined of a response. */
  readonly method: string | undefined;
  readonly target: string;
  /** `1.1` or `1.0`. */
  readonly version: string;
  /** Of a response; 0 of a request. */
  readonly statusCode: number;
  readonly reason: string;
  readonly headers: HttpHeaders;
  /** Bytes of the head with the empty line. */
  readonly bytes: number;
}

/** Header fields by lower-case name; several of one name in their order. */
export type HttpHeaders = ReadonlyMap<string, readonly string[]>;

/** More header fields than these are not looked at. */
const MAX_HEADERS = 200;
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) +(\S(?:.*\S)?) +HTTP\/(1\.\d)$/;
const STATUS_LINE = /^HTTP\/(1\.\d) (\d{3})(?: (.*))?$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Parses the head in `bytes[at…end)`, which ends with its empty line. Undefined: it is none. Bytes that are no ASCII
 * are taken as UTF-8 where they are, else as Latin-1. Nothing makes it throw.
 */
export function parseHead(bytes: Uint8Array, at: number, end: number): HttpHead | undefined {
  const lines = textOf(bytes, at, end).split("\n");
  const first = lineOf(lines[0]!);
  const request = REQUEST_LINE.exec(first);
  const status = request === null ? STATUS_LINE.exec(first) : null;
  if (request === null && status === null) return undefined;
  const headers = headersOf(lines);
  if (request !== null) {
    const [, method, target, version] = request;
    return { method: method!, target: target!, version: version!, statusCode: 0, reason: "", headers, bytes: end - at };
  }
  const [, version, code, reason] = status!;
  const statusCode = Number(code);
  if (statusCode < 100) return undefined;
  return {
    method: undefined,
    target: "",
    version: version!,
    statusCode,
    reason: reason ?? "",
    headers,
    bytes: end - at,
  };
}

/** Notes where the parts of the head `bytes[at…end)` lie that `parseHead` found good: a header field with its name and line end. */
export function headSpans(bytes: Uint8Array, at: number, end: number, head: HttpHead, spans: FieldSpans): void {
  const part = bytes.subarray(0, end);
  let next = part.indexOf(LF, at) + 1;
  if (head.method !== undefined) {
    const target = part.indexOf(BLANK, at);
    let from = target;
    while (part[from] === BLANK) from++;
    const version = part.lastIndexOf(BLANK, next - 1) + 1;
    spans.add("http.request.method", at, target - at);
    spans.add("http.request.uri", from, version - 1 - from);
    spans.add("http.request.version", version, "HTTP/1.1".length);
  } else {
    spans.add("http.response.version", at, "HTTP/1.1".length);
    spans.add("http.response.code", at + "HTTP/1.1 ".length, 3);
    spans.add("http.response.phrase", at + "HTTP/1.1 200 ".length, head.reason.length);
  }
  const name = head.method === undefined ? "http.response.line" : "http.request.line";
  for (let count = 0; next > 0 && next < end && count < MAX_HEADERS; count++) {
    if (part[next] === LF || (part[next] === CR && part[next + 1] === LF)) break;
    const to = part.indexOf(LF, next) + 1;
    if (to > 0) spans.add(name, next, to - next);
    next = to;
  }
}

const [LF, CR, BLANK] = [10, 13, 32];

/** All values of a header joined as RFC 9110 section 5.3 allows, or undefined. */
export function headerOf(head: HttpHead, name: string): string | undefined {
  return head.headers.get(name)?.join(", ");
}

/**
 * Where a head ends: behind its first empty line from `at` on; -1: not before `end`. Lines end with CR LF, and, as
 * RFC 9112 section 2.2 allows readers, with LF alone.
 */
export function headEnd(bytes: Uint8Array, at: number, end: number): number {
  const part = bytes.subarray(at, end);
  for (let i = part.indexOf(10); i >= 0; i = part.indexOf(10, i + 1)) {
    if (part[i + 1] === 10) return at + i + 2;
    if (part[i + 1] === 13 && part[i + 2] === 10) return at + i + 3;
  }
  return -1;
}

const METHODS = [
  ...["GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE ", "PROPFIND ", "MKCOL "],
  ...["PROPPATCH ", "COPY ", "MOVE ", "LOCK ", "UNLOCK ", "REPORT ", "SEARCH ", "NOTIFY ", "SUBSCRIBE ", "M-SEARCH "],
  ...["UNSUBSCRIBE ", "PURGE ", "MERGE ", "CHECKOUT ", "MKACTIVITY ", "BIND ", "LINK ", "QUERY "],
].map((method) => Buffer.from(method));
/** The same by their first byte. */
const METHODS_BY_BYTE: readonly (readonly Uint8Array[] | undefined)[] = Array.from({ length: 256 }, (_, byte) => {
  const found = METHODS.filter((method) => method[0] === byte);
  return found.length === 0 ? undefined : found;
});
const STATUS_START = Buffer.from("HTTP/1.");
/** What a message begins with: a method and a blank, or that of a response. */
export const MESSAGE_STARTS: readonly Uint8Array[] = [...METHODS, STATUS_START];

/** Whether bytes begin as a request does, or end within what may become its method. */
export function beginsRequest(bytes: Uint8Array, at: number, end: number): boolean {
  const methods = at < end ? METHODS_BY_BYTE[bytes[at]!] : undefined;
  if (methods === undefined) return false;
  for (const method of methods) if (beginsWith(bytes, at, end, method)) return true;
  return false;
}

/** Whether bytes may begin a request with any method: in a connection where requests are expected. */
export function mayBeginRequest(bytes: Uint8Array, at: number, end: number): boolean {
  const MOST = 24;
  for (let i = at; i < end && i < at + MOST; i++) {
    const byte = bytes[i]!;
    if (byte === 0x20) return i > at;
    // Methods are upper-case letters in practice, some with hyphens or underscores.
    if ((byte < 0x41 || byte > 0x5a) && byte !== 0x2d && byte !== 0x5f) return false;
  }
  return end - at < MOST;
}

/** Whether bytes begin as a response does, or end within what may become it. */
export function beginsResponse(bytes: Uint8Array, at: number, end: number): boolean {
  return beginsWith(bytes, at, end, STATUS_START);
}

function beginsWith(bytes: Uint8Array, at: number, end: number, start: Uint8Array): boolean {
  const length = Math.min(end - at, start.length);
  if (length <= 0) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== start[i]) return false;
  return true;
}

function headersOf(lines: readonly string[]): HttpHeaders {
  const headers = new Map<string, string[]>();
  let last: string[] | undefined;
  let count = 0;
  for (let i = 1; i < lines.length && count < MAX_HEADERS; i++) {
    const line = lineOf(lines[i]!);
    if (line === "") break;
    // A line that begins with a blank goes on with the one before.
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (last !== undefined) last[last.length - 1] += ` ${line.trim()}`;
      continue;
    }
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trimEnd().toLowerCase();
    last = undefined;
    if (!TOKEN.test(name)) continue;
    count++;
    last = headers.get(name);
    if (last === undefined) headers.set(name, (last = []));
    last.push(line.slice(colon + 1).trim());
  }
  return headers;
}

function lineOf(text: string): string {
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}

function textOf(bytes: Uint8Array, at: number, end: number): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at);
  const text = buffer.toString("utf8");
  return text.includes("\ufffd") ? buffer.toString("latin1") : text;
}
