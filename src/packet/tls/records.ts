import { u16 } from "../headers/cursor.ts";

/** Record types (RFC 8446 section 5.1). */
export const CONTENT = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;
export const HANDSHAKE = { clientHello: 1, serverHello: 2 } as const;

/** Takes what one side of a TLS connection sends. */
export interface TlsMessages {
  /** The first handshake messages in plain text, with their bodies `bytes[at…end)`, good only until the call returns. */
  handshake(type: number, bytes: Uint8Array, at: number, end: number): void;
  /** A record of another type, with so many bytes; of alerts, level and description where they are in plain text, else 0. */
  record(type: number, length: number, level: number, description: number): void;
  /** This is no TLS, or no longer understood. */
  lost(): void;
}

/** RFC 8446 section 5.2 allows 2^14 + 256 bytes, RFC 5246 2^14 + 2048. */
const MAX_RECORD_BYTES = (1 << 14) + 2048;
/** A ClientHello with post-quantum keys has some kilobytes. */
const MAX_MESSAGE_BYTES = 64 * 1024;
const HEADER_BYTES = 5;

/** Whether bytes begin as a record does: a known type, version 3.0 to 3.4, a possible length. As far as they are there. */
export function beginsRecord(bytes: Uint8Array, at: number, end: number): boolean {
  const size = end - at;
  if (size < 1) return false;
  const type = bytes[at]!;
  if (type < CONTENT.changeCipherSpec || type > CONTENT.applicationData) return false;
  if (size >= 2 && bytes[at + 1] !== 3) return false;
  if (size >= 3 && bytes[at + 2]! > 4) return false;
  return size < HEADER_BYTES || (u16(bytes, at + 3) <= MAX_RECORD_BYTES && u16(bytes, at + 3) > 0);
}

/**
 * Cuts one side of a TLS connection into records from bytes in any portions (0 type | 1 version | 3 length), and joins
 * handshake messages that go over several records (0 type | 1 length, 3 bytes), until they are encrypted.
 */
export class RecordReader {
  readonly #messages: TlsMessages;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  /** Bytes of the present record that are still to come. */
  #left = 0;
  #type = 0;
  #message: Buffer = Buffer.alloc(0);
  #isEncrypted = false;
  #isLost = false;
  /** The first two bytes of an alert. */
  #alert: number[] = [];

  constructor(messages: TlsMessages) {
    this.#messages = messages;
  }

  /** No handshake message in plain text is of interest any more. */
  skipMessages(): void {
    this.#isEncrypted = true;
    this.#message = Buffer.alloc(0);
  }

  data(bytes: Uint8Array, at: number, end: number): void {
    while (at < end && !this.#isLost) {
      if (this.#left === 0) {
        at = this.#readHeader(bytes, at, end);
        continue;
      }
      const to = Math.min(end, at + this.#left);
      this.#left -= to - at;
      this.#take(bytes, at, to);
      at = to;
    }
  }

  /** Within a record whose content is of no interest nothing is lost. */
  gap(length: number): void {
    const isPlain = this.#type === CONTENT.handshake && !this.#isEncrypted;
    if (length <= this.#left && !isPlain) this.#left -= length;
    else this.#lose();
  }

  #readHeader(bytes: Uint8Array, at: number, end: number): number {
    const header = this.#header;
    while (at < end && this.#headerBytes < HEADER_BYTES) header[this.#headerBytes++] = bytes[at++]!;
    if (!beginsRecord(header, 0, this.#headerBytes)) {
      this.#lose();
      return end;
    }
    if (this.#headerBytes < HEADER_BYTES) return at;
    this.#headerBytes = 0;
    this.#type = header[0]!;
    this.#left = u16(header, 3);
    this.#alert = [];
    if (this.#type === CONTENT.changeCipherSpec || this.#type === CONTENT.applicationData) {
      this.#messages.record(this.#type, this.#left, 0, 0);
      // What follows a change of ciphers cannot be read.
      this.skipMessages();
    }
    return at;
  }

  #take(bytes: Uint8Array, at: number, end: number): void {
    if (this.#type === CONTENT.alert) {
      for (let i = at; i < end && this.#alert.length < 2; i++) this.#alert.push(bytes[i]!);
      if (this.#left > 0) return;
      // An alert in plain text has two bytes; a longer one is encrypted.
      const [level = 0, description = 0] = this.#alert;
      if (!this.#isEncrypted && (level === 1 || level === 2)) this.#messages.record(this.#type, 2, level, description);
      else this.#messages.record(this.#type, 0, 0, 0);
      return;
    }
    if (this.#type !== CONTENT.handshake || this.#isEncrypted) return;
    this.#message = Buffer.concat([this.#message, bytes.subarray(at, end)]);
    const message = this.#message;
    let next = 0;
    while (message.length - next >= 4) {
      const size = message.readUIntBE(next + 1, 3);
      if (size > MAX_MESSAGE_BYTES) {
        this.#lose();
        return;
      }
      if (message.length - next < 4 + size) break;
      this.#messages.handshake(message[next]!, message, next + 4, next + 4 + size);
      next += 4 + size;
      if (this.#isEncrypted) return;
    }
    this.#message = message.subarray(next);
  }

  #lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#message = Buffer.alloc(0);
    this.#messages.lost();
  }
}
