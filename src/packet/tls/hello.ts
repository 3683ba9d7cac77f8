import type { FieldSpans } from "../field-spans.ts";
import { u16 } from "../headers/cursor.ts";

/** A ClientHello or ServerHello (RFC 8446 section 4.1, RFC 5246 section 7.4.1) as far as it tells who talks. */
export interface Hello {
  readonly isClient: boolean;
  /** `legacy_version`. */
  readonly version: number;
  /** A client's in its order; a server's is one. */
  readonly ciphers: readonly number[];
  /** Types in their order. */
  readonly extensions: readonly number[];
  /** Extension supported_versions: a client's, or the one that the server chose. */
  readonly versions: readonly number[];
  /** Extension server_name. */
  readonly serverName: string | undefined;
  /** Extension ALPN: the bytes of the names. */
  readonly alpn: readonly Uint8Array[];
  readonly groups: readonly number[];
  readonly pointFormats: readonly number[];
  readonly signatureAlgorithms: readonly number[];
  readonly sessionId: Uint8Array;
  /** A client offers to resume, or a server agrees to, by a pre-shared key (TLS 1.3). */
  readonly hasPreSharedKey: boolean;
  /** The server asks for another ClientHello. */
  readonly isRetry: boolean;
}

const EXTENSION = {
  serverName: 0,
  groups: 10,
  pointFormats: 11,
  signatures: 13,
  alpn: 16,
  preSharedKey: 41,
  versions: 43,
};
/** RFC 8446 section 4.1.3: the "random" of a HelloRetryRequest, the SHA-256 of those words. */
const RETRY_RANDOM = Buffer.from("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c", "hex");

/** RFC 8701: values that clients send to keep servers tolerant; they mean nothing. */
export function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}

/**
 * Parses the body of a ClientHello or ServerHello in `bytes[at…end)`: 0 version | 2 random, 32 bytes | 34 session id |
 * ciphers | compression | extensions. Undefined: it is malformed. Nothing makes it throw; nothing of `bytes` is kept.
 * `spans` notes where the fields lie, also of what is malformed further on.
 */
export function parseHello(
  bytes: Uint8Array,
  at: number,
  end: number,
  isClient: boolean,
  spans?: FieldSpans,
): Hello | undefined {
  if (end - at < 38) return undefined;
  spans?.add("tls.handshake.version", at, 2);
  spans?.add("tls.handshake.random", at + 2, 32);
  spans?.add("tls.handshake.session_id_length", at + 34, 1);
  const version = u16(bytes, at);
  const isRetry = !isClient && RETRY_RANDOM.equals(bytes.subarray(at + 2, at + 34));
  let next = at + 34;
  const sessionEnd = next + 1 + bytes[next]!;
  if (sessionEnd + 2 > end) return undefined;
  const sessionId = bytes.slice(next + 1, sessionEnd);
  spans?.add("tls.handshake.session_id", next + 1, sessionId.length);
  next = sessionEnd;
  let ciphers: number[];
  if (isClient) {
    const size = u16(bytes, next);
    if (next + 2 + size + 1 > end || size % 2 !== 0) return undefined;
    ciphers = words(bytes, next + 2, next + 2 + size);
    spans?.add("tls.handshake.cipher_suites_length", next, 2);
    spans?.add("tls.handshake.ciphersuites", next + 2, size);
    next += 2 + size;
    spans?.add("tls.handshake.comp_methods_length", next, 1);
    spans?.add("tls.handshake.comp_methods", next + 1, bytes[next]!);
    next += 1 + bytes[next]!;
  } else {
    ciphers = [u16(bytes, next)];
    spans?.add("tls.handshake.ciphersuite", next, 2);
    spans?.add("tls.handshake.comp_method", next + 2, 1);
    next += 3;
  }
  if (next > end) return undefined;
  const hello = new ExtensionReader();
  if (end - next >= 2) {
    const extensionsEnd = next + 2 + u16(bytes, next);
    spans?.add("tls.handshake.extensions_length", next, 2);
    if (extensionsEnd > end || !hello.read(bytes, next + 2, extensionsEnd, isClient, spans)) return undefined;
  }
  const { extensions, versions, serverName, alpn, groups, pointFormats, signatureAlgorithms, hasPreSharedKey } = hello;
  return {
    ...{ isClient, version, ciphers, extensions, versions, serverName, alpn, groups, pointFormats },
    ...{ signatureAlgorithms, sessionId, hasPreSharedKey, isRetry },
  };
}

class ExtensionReader {
  readonly extensions: number[] = [];
  versions: number[] = [];
  serverName: string | undefined = undefined;
  alpn: Uint8Array[] = [];
  groups: number[] = [];
  pointFormats: number[] = [];
  signatureAlgorithms: number[] = [];
  hasPreSharedKey = false;

  /** Type, length, value. False: malformed. */
  read(bytes: Uint8Array, at: number, end: number, isClient: boolean, spans: FieldSpans | undefined): boolean {
    while (at < end) {
      if (end - at < 4) return false;
      const type = u16(bytes, at);
      const valueAt = at + 4;
      at = valueAt + u16(bytes, at + 2);
      if (at > end) return false;
      this.extensions.push(type);
      spans?.add("tls.handshake.extension.type", valueAt - 4, 2);
      spans?.add("tls.handshake.extension.len", valueAt - 2, 2);
      if (type === EXTENSION.serverName && at - valueAt >= 5)
        spans?.add(
          "tls.handshake.extensions_server_name",
          valueAt + 5,
          Math.min(u16(bytes, valueAt + 3), at - valueAt - 5),
        );
      else spans?.add("tls.handshake.extension.data", valueAt, at - valueAt);
      this.#take(type, bytes, valueAt, at, isClient);
    }
    return true;
  }

  #take(type: number, bytes: Uint8Array, at: number, end: number, isClient: boolean): void {
    const size = end - at;
    switch (type) {
      case EXTENSION.serverName:
        // A list of names, of which there is one kind: 0 list length | 2 kind | 3 length | 5 name.
        if (size >= 5 && bytes[at + 2] === 0 && at + 5 + u16(bytes, at + 3) <= end)
          this.serverName = nameText(bytes, at + 5, at + 5 + u16(bytes, at + 3));
        break;
      case EXTENSION.alpn:
        this.alpn = names(bytes, at + 2, end);
        break;
      case EXTENSION.groups:
        if (size >= 2) this.groups = words(bytes, at + 2, Math.min(end, at + 2 + u16(bytes, at)));
        break;
      case EXTENSION.signatures:
        if (size >= 2) this.signatureAlgorithms = words(bytes, at + 2, Math.min(end, at + 2 + u16(bytes, at)));
        break;
      case EXTENSION.pointFormats:
        if (size >= 1) this.pointFormats = [...bytes.subarray(at + 1, Math.min(end, at + 1 + bytes[at]!))];
        break;
      case EXTENSION.preSharedKey:
        this.hasPreSharedKey = true;
        break;
      case EXTENSION.versions:
        if (isClient && size >= 1) this.versions = words(bytes, at + 1, Math.min(end, at + 1 + bytes[at]!));
        else if (size >= 2) this.versions = [u16(bytes, at)];
        break;
    }
  }
}

function words(bytes: Uint8Array, at: number, end: number): number[] {
  const found: number[] = [];
  for (; at + 2 <= end; at += 2) found.push(u16(bytes, at));
  return found;
}

/** Names of a length byte and as many bytes. */
function names(bytes: Uint8Array, at: number, end: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  while (at < end) {
    const to = at + 1 + bytes[at]!;
    if (to > end) break;
    found.push(bytes.slice(at + 1, to));
    at = to;
  }
  return found;
}

/** RFC 6066: ASCII without a dot at its end. */
function nameText(bytes: Uint8Array, at: number, end: number): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString("latin1");
  return text === "" ? undefined : text;
}
