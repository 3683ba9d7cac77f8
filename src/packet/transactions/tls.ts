import { tlsFields, isResumed } from "../tls/fields.ts";
import { type Hello, parseHello } from "../tls/hello.ts";
import { CONTENT, HANDSHAKE, RecordReader } from "../tls/records.ts";
import type { CloseReason, ConnectionReader, Side } from "../streams/tcp-streams.ts";
import type { Moment } from "../streams/current-packet.ts";
import { give, paired } from "./document.ts";
import type { ConnectionContext } from "./http.ts";

/** RFC 8446 section 6; others are told by their numbers. */
const ALERTS: Readonly<Record<number, string>> = {
  ...{ 0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow" },
  ...{ 40: "handshake_failure", 42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked" },
  ...{ 45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca" },
  ...{ 49: "access_denied", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version" },
  ...{ 71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled" },
  ...{ 109: "missing_extension", 110: "unsupported_extension", 112: "unrecognized_name" },
  ...{ 113: "bad_certificate_status_response", 115: "unknown_psk_identity", 116: "certificate_required" },
  ...{ 120: "no_application_protocol" },
};
const FATAL = 2;
/** An alert that TLS 1.3 encrypts is not longer: level, description, the true type, and a tag of 16 bytes. */
const ENCRYPTED_ALERT_BYTES = 19;
const TLS_1_3 = 0x0304;

/**
 * The handshake of one TLS connection: one document when it is through, has failed, or the connection is over.
 * `event.duration` is from the ClientHello to the ServerHello. Then nothing more of the connection is read.
 */
export class TlsConnection implements ConnectionReader {
  readonly #context: ConnectionContext;
  readonly #sides: readonly [RecordReader, RecordReader];
  #client: Hello | undefined = undefined;
  #server: Hello | undefined = undefined;
  #start: Moment | undefined = undefined;
  #answered: Moment | undefined = undefined;
  readonly #bytes: [number, number] = [0, 0];
  /** Sides that have said that what follows is encrypted. */
  readonly #isCiphered: [boolean, boolean] = [false, false];
  #isLost = false;
  isDone = false;

  constructor(context: ConnectionContext) {
    this.#context = context;
    const reader = (side: Side): RecordReader =>
      new RecordReader({
        handshake: (type, bytes, at, end) => this.#handshake(side, type, bytes, at, end),
        record: (type, length, level, description) => this.#record(side, type, length, level, description),
        lost: () => {
          this.#isLost = true;
        },
      });
    this.#sides = [reader(0), reader(1)];
  }

  data(side: Side, bytes: Uint8Array, at: number, end: number): void {
    if (this.isDone) return;
    this.#bytes[side] += end - at;
    this.#sides[side].data(bytes, at, end);
    if (this.#isLost) this.#finish(false, "it is not captured whole, or is no TLS");
  }

  gap(side: Side, length: number): void {
    if (this.isDone) return;
    this.#bytes[side] += length;
    this.#sides[side].gap(length);
    if (this.#isLost) this.#finish(false, "it is not captured whole, or is no TLS");
  }

  end(): void {
    // The handshake may still be answered.
  }

  close(how: CloseReason): void {
    this.#finish(
      false,
      how === "reset" ? "the connection was reset" : "the connection ended before the handshake was through",
    );
  }

  #handshake(side: Side, type: number, bytes: Uint8Array, at: number, end: number): void {
    if (side === 0 && type === HANDSHAKE.clientHello && this.#client === undefined) {
      this.#client = parseHello(bytes, at, end, true);
      this.#start = this.#context.now();
    } else if (side === 1 && type === HANDSHAKE.serverHello && this.#server === undefined) {
      const hello = parseHello(bytes, at, end, false);
      if (hello === undefined || hello.isRetry) return;
      this.#server = hello;
      this.#answered = this.#context.now();
    }
  }

  #record(side: Side, type: number, length: number, level: number, description: number): void {
    if (type === CONTENT.alert && level === FATAL) {
      const who = side === 0 ? "client" : "server";
      this.#finish(false, `the ${who} says ${ALERTS[description] ?? `alert ${description}`}`);
      return;
    }
    const server = this.#server;
    if (server === undefined) return;
    if (server.versions[0] === TLS_1_3) {
      if (side !== 0 || type !== CONTENT.applicationData) return;
      if (length > ENCRYPTED_ALERT_BYTES) this.#finish(true, undefined);
      else this.#finish(false, "the client ended the handshake, by an encrypted alert");
      return;
    }
    if (type !== CONTENT.changeCipherSpec && type !== CONTENT.applicationData) return;
    this.#isCiphered[side] = true;
    if (this.#isCiphered[0] && this.#isCiphered[1]) this.#finish(true, undefined);
  }

  #finish(isEstablished: boolean, why: string | undefined): void {
    if (this.isDone) return;
    this.isDone = true;
    const client = this.#client;
    const server = this.#server;
    if (client === undefined && server === undefined) return;
    const { endpoints, sink } = this.#context;
    const domain = client?.serverName;
    give(sink(), {
      ...paired(client && { start: this.#start! }, server && { start: this.#answered! }, why),
      clientBytes: this.#bytes[0],
      serverBytes: this.#bytes[1],
      isOk: isEstablished,
      type: "tls",
      endpoints,
      resource: domain,
      domain,
      hosts: domain === undefined ? undefined : [domain],
      fields: {
        tls: {
          ...tlsFields(client, server),
          established: isEstablished,
          resumed: server === undefined ? undefined : isResumed(client, server),
        },
      },
    });
  }
}
