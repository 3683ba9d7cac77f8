import { u16 } from "./headers/cursor.ts";
import { LAYER } from "./headers/layer.ts";
import { DEFAULT_HTTP_FIELDS, type HttpFieldOptions, requestFields, responseFields } from "./http/fields.ts";
import { headEnd, parseHead } from "./http/head.ts";
import { decodeNtp } from "./ntp/message.ts";
import { tlsFields } from "./tls/fields.ts";
import { type Hello, parseHello } from "./tls/hello.ts";
import { beginsRecord, CONTENT, HANDSHAKE } from "./tls/records.ts";

/** What ECS has of an application's message: members of the document, or undefined where one packet does not tell. */
export type ApplicationFields = Readonly<Record<string, unknown>> | undefined;

const MAX_HEAD_BYTES = 64 * 1024;

/**
 * The fields of the HTTP head, TLS hello or NTP message that the payload `bytes[at…end)` of one packet holds whole; those
 * of longer ones are in `transactions`. `port`: the server's. Nothing makes it throw.
 */
export function applicationFields(
  layer: number,
  bytes: Uint8Array,
  at: number,
  end: number,
  port: number,
  options: HttpFieldOptions = DEFAULT_HTTP_FIELDS,
): ApplicationFields {
  switch (layer) {
    case LAYER.http:
      return httpFields(bytes, at, Math.min(end, at + MAX_HEAD_BYTES), port, options);
    case LAYER.tls:
      return helloFields(bytes, at, end);
    case LAYER.ntp: {
      const ntp = decodeNtp(bytes, at, end);
      return ntp === undefined ? undefined : { ntp };
    }
    default:
      return undefined;
  }
}

function httpFields(
  bytes: Uint8Array,
  at: number,
  end: number,
  port: number,
  options: HttpFieldOptions,
): ApplicationFields {
  const to = headEnd(bytes, at, end);
  const head = to < 0 ? undefined : parseHead(bytes, at, to);
  if (head === undefined) return undefined;
  if (head.method === undefined) return { http: { version: head.version, response: responseFields(head, options) } };
  const { version, request, url, userAgent, userName } = requestFields(head, port, options);
  return {
    http: { version, request },
    url,
    user_agent: userAgent === undefined ? undefined : { original: userAgent },
    user: userName === undefined ? undefined : { name: userName },
  };
}

/** A hello that the first record has whole: 0 record header, 5 bytes | 5 type | 6 length, 3 bytes | 9 hello. */
function helloFields(bytes: Uint8Array, at: number, end: number): ApplicationFields {
  if (end - at < 9 || bytes[at] !== CONTENT.handshake || !beginsRecord(bytes, at, end)) return undefined;
  const type = bytes[at + 5]!;
  if (type !== HANDSHAKE.clientHello && type !== HANDSHAKE.serverHello) return undefined;
  const helloEnd = at + 9 + ((bytes[at + 6]! << 16) | u16(bytes, at + 7));
  if (helloEnd > Math.min(end, at + 5 + u16(bytes, at + 3))) return undefined;
  const hello: Hello | undefined = parseHello(bytes, at + 9, helloEnd, type === HANDSHAKE.clientHello);
  if (hello === undefined) return undefined;
  return { tls: hello.isClient ? tlsFields(hello, undefined) : tlsFields(undefined, hello) };
}
