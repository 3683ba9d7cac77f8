import { beginsRequest, beginsResponse } from "../http/head.ts";
import { beginsRecord, CONTENT, HANDSHAKE } from "../tls/records.ts";
import type { CloseReason, ConnectionReader, Side } from "../streams/tcp-streams.ts";
import type { Endpoints } from "./endpoints.ts";
import { type ConnectionContext, HttpConnection } from "./http.ts";
import { TlsConnection } from "./tls.ts";

/** What a connection is that begins so, or goes on so where its begin was not captured. */
export type Guess = "http" | "tls";

/** After so many portions that begin nothing we know a connection is left alone. */
const MAX_TRIES = 64;

/**
 * Finds out what a connection carries by what is said first, whatever its ports, and then reads that. Where the begin
 * was not captured, who asks turns out to be the client.
 */
export class UnknownConnection implements ConnectionReader {
  readonly #context: Omit<ConnectionContext, "openTunnel">;
  readonly #wanted: ReadonlySet<Guess>;
  #inner: ConnectionReader | undefined = undefined;
  #isTurned = false;
  #tries = 0;

  constructor(context: Omit<ConnectionContext, "openTunnel">, wanted: ReadonlySet<Guess>) {
    this.#context = context;
    this.#wanted = wanted;
  }

  get isDone(): boolean {
    return this.#inner === undefined ? this.#tries >= MAX_TRIES : this.#inner.isDone;
  }

  data(side: Side, bytes: Uint8Array, at: number, end: number): void {
    this.#inner ??= this.#choose(side, bytes, at, end);
    this.#inner?.data(this.#sideOf(side), bytes, at, end);
  }

  gap(side: Side, length: number): void {
    this.#inner?.gap(this.#sideOf(side), length);
  }

  end(side: Side): void {
    this.#inner?.end(this.#sideOf(side));
  }

  close(how: CloseReason): void {
    this.#inner?.close(how);
  }

  #sideOf(side: Side): Side {
    return this.#isTurned ? (side === 0 ? 1 : 0) : side;
  }

  #choose(side: Side, bytes: Uint8Array, at: number, end: number): ConnectionReader | undefined {
    this.#tries++;
    const found = recognise(bytes, at, end);
    if (found === undefined || !this.#wanted.has(found.guess)) return undefined;
    this.#isTurned = found.isFromClient !== (side === 0);
    const { endpoints } = this.#context;
    const context: ConnectionContext = {
      ...this.#context,
      endpoints: this.#isTurned ? turned(endpoints) : endpoints,
      openTunnel: () => new UnknownConnection({ ...this.#context, endpoints: context.endpoints }, this.#wanted),
    };
    return found.guess === "http" ? new HttpConnection(context) : new TlsConnection(context);
  }
}

/** What `bytes[at…end)`, the first of a side, begin. */
function recognise(bytes: Uint8Array, at: number, end: number): { guess: Guess; isFromClient: boolean } | undefined {
  if (beginsRecord(bytes, at, end) && bytes[at] === CONTENT.handshake) {
    const type = end - at > 5 ? bytes[at + 5]! : HANDSHAKE.clientHello;
    if (type === HANDSHAKE.clientHello || type === HANDSHAKE.serverHello)
      return { guess: "tls", isFromClient: type === HANDSHAKE.clientHello };
  }
  if (beginsRequest(bytes, at, end)) return { guess: "http", isFromClient: true };
  return beginsResponse(bytes, at, end) ? { guess: "http", isFromClient: false } : undefined;
}

function turned(endpoints: Endpoints): Endpoints {
  return { ...endpoints, client: endpoints.server, server: endpoints.client };
}
