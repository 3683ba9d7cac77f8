import type { HttpHead } from "../http/head.ts";
import {
  type HttpFieldOptions,
  requestFields,
  type RequestFields,
  responseFields,
  type ResponseFields,
} from "../http/fields.ts";
import { type BodyRule, MessageReader } from "../http/message-reader.ts";
import type { DocumentSink } from "../output.ts";
import type { CloseReason, ConnectionReader, Side } from "../streams/tcp-streams.ts";
import type { Moment } from "../streams/current-packet.ts";
import { give, paired } from "./document.ts";
import type { Endpoints } from "./endpoints.ts";

interface Request {
  readonly start: Moment;
  readonly fields: RequestFields;
  readonly headBytes: number;
  bodyBytes: number;
}

interface Response {
  readonly request: Request | undefined;
  readonly start: Moment;
  readonly fields: ResponseFields;
  readonly headBytes: number;
}

/** More requests that wait for answers on one connection are not waited for. */
const MAX_PIPELINED = 1000;

/** What readers of connections need of the output that they work for. */
export interface ConnectionContext {
  readonly endpoints: Endpoints;
  readonly sink: () => DocumentSink;
  readonly now: () => Moment;
  readonly http: HttpFieldOptions;
  /** Reads what a tunnel carries that CONNECT has opened. */
  readonly openTunnel: () => ConnectionReader;
}

/**
 * The requests and responses of one HTTP/1 connection, paired in their order (RFC 9112 section 9.3.2). Gives one document
 * for each pair when the response is over: `event.duration` is from the request's first byte to the response's last one.
 */
export class HttpConnection implements ConnectionReader {
  readonly #context: ConnectionContext;
  readonly #requests: MessageReader;
  readonly #responses: MessageReader;
  #waiting: Request[] = [];
  /** The request whose body is being read. */
  #sending: Request | undefined = undefined;
  #receiving: Response | undefined = undefined;
  #tunnel: ConnectionReader | undefined = undefined;
  #isUpgraded = false;

  constructor(context: ConnectionContext) {
    this.#context = context;
    this.#requests = new MessageReader(
      {
        head: (head) => this.#request(head),
        end: (bodyBytes) => {
          if (this.#sending !== undefined) this.#sending.bodyBytes = bodyBytes;
          this.#sending = undefined;
        },
      },
      false,
    );
    this.#responses = new MessageReader(
      { head: (head) => this.#response(head), end: (bodyBytes, isWhole) => this.#answered(bodyBytes, isWhole) },
      true,
    );
  }

  get isDone(): boolean {
    return this.#isUpgraded || this.#tunnel?.isDone === true;
  }

  data(side: Side, bytes: Uint8Array, at: number, end: number): void {
    if (this.#tunnel === undefined) {
      at = (side === 0 ? this.#requests : this.#responses).data(bytes, at, end);
      if (at === end) return;
    }
    this.#tunnel?.data(side, bytes, at, end);
  }

  gap(side: Side, length: number): void {
    if (this.#tunnel !== undefined) this.#tunnel.gap(side, length);
    else (side === 0 ? this.#requests : this.#responses).gap(length);
  }

  end(side: Side): void {
    if (this.#tunnel !== undefined) this.#tunnel.end(side);
    else if (side === 1) this.#responses.end();
  }

  close(how: CloseReason): void {
    if (this.#tunnel !== undefined) this.#tunnel.close(how);
    else this.#responses.end();
    this.#giveUp(`no answer: the connection ${HOW[how]}`);
  }

  #request(head: HttpHead): BodyRule {
    const { endpoints, now, http } = this.#context;
    const fields = requestFields(head, endpoints.server.port ?? 80, http);
    const request = { start: now(), fields, headBytes: head.bytes, bodyBytes: 0 };
    this.#sending = request;
    this.#waiting.push(request);
    if (this.#waiting.length > MAX_PIPELINED)
      this.#give(this.#waiting.shift(), undefined, 0, "the answer was not waited for: too many open questions");
    return "by_head";
  }

  #response(head: HttpHead): BodyRule {
    const code = head.statusCode;
    // 100 Continue and the like come before the answer; 101 is the last one in HTTP.
    if (code < 200 && code !== 101) return "none";
    const request = this.#waiting.shift();
    this.#receiving = {
      request,
      start: this.#context.now(),
      fields: responseFields(head, this.#context.http),
      headBytes: head.bytes,
    };
    const method = request?.fields.request.method;
    const isConnected = method === "CONNECT" && code >= 200 && code < 300;
    if (isConnected || code === 101) {
      this.#requests.becomeTunnel();
      if (isConnected) this.#tunnel = this.#context.openTunnel();
      else this.#isUpgraded = true;
      return "tunnel";
    }
    return method === "HEAD" || code === 204 || code === 304 ? "none" : "until_close";
  }

  #answered(bodyBytes: number, isWhole: boolean): void {
    const response = this.#receiving;
    this.#receiving = undefined;
    if (response === undefined) return;
    this.#give(response.request, response, bodyBytes, isWhole ? undefined : "the response is not whole");
    // After a gap it is not known which response belongs to which request.
    if (!isWhole) this.#giveUp("no answer: it lies in a part of the connection that was not captured");
  }

  #giveUp(why: string): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const request of waiting) this.#give(request, undefined, 0, why);
  }

  #give(
    request: Request | undefined,
    response: Response | undefined,
    bodyBytes: number,
    why: string | undefined,
  ): void {
    const { endpoints, sink, now } = this.#context;
    const fields = request?.fields;
    const code = response?.fields.status_code;
    const asked = request && { start: request.start, bytes: request.headBytes + request.bodyBytes };
    // An answer alone has the time of its head; of a pair, the time at which it was whole counts.
    const answeredAt = request === undefined ? response?.start : now();
    const answered = response && { start: answeredAt!, bytes: response.headBytes + bodyBytes };
    const domain = fields?.url.domain;
    const halves = paired(asked, answered, why);
    give(sink(), {
      ...halves,
      isOk: request !== undefined && response !== undefined && code! < 400,
      type: "http",
      endpoints,
      method: fields?.request.method,
      query: fields === undefined ? undefined : `${fields.request.method} ${fields.url.path ?? fields.url.original}`,
      resource: fields?.url.path,
      domain,
      hosts: domain === undefined ? undefined : [domain],
      users: fields?.userName === undefined ? undefined : [fields.userName],
      fields: {
        http: {
          version: fields?.version,
          request: fields && { ...fields.request, bytes: asked?.bytes, body: { bytes: request.bodyBytes } },
          response: response && { ...response.fields, bytes: answered?.bytes, body: { bytes: bodyBytes } },
        },
        url: fields?.url,
        user_agent: fields?.userAgent === undefined ? undefined : { original: fields.userAgent },
        user: fields?.userName === undefined ? undefined : { name: fields.userName },
      },
    });
  }
}

const HOW: Readonly<Record<CloseReason, string>> = {
  finished: "was closed",
  reset: "was reset",
  timed_out: "was idle for too long",
  evicted: "had to give way to others",
  replaced: "was replaced by another",
  capture_over: "was open when the capture ended",
};
