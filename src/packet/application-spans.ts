import { decodeDhcp } from "./dhcp/message.ts";
import { decodeDns } from "./dns/message.ts";
import type { FieldSpans } from "./field-spans.ts";
import { u16 } from "./headers/cursor.ts";
import { LAYER } from "./headers/layer.ts";
import { headEnd, headSpans, parseHead } from "./http/head.ts";
import { decodeNtp } from "./ntp/message.ts";
import { parseHello } from "./tls/hello.ts";
import { CONTENT, HANDSHAKE } from "./tls/records.ts";

/** Notes where the fields of the application's message lie that the payload `bytes[at…end)` begins with. */
export function applicationSpans(
  layer: number,
  bytes: Uint8Array,
  at: number,
  end: number,
  isTcp: boolean,
  spans: FieldSpans,
): void {
  switch (layer) {
    case LAYER.dns:
    case LAYER.mdns:
    case LAYER.llmnr:
      // RFC 1035 section 4.2.2.
      if (isTcp) spans.add("dns.length", at, 2);
      decodeDns(bytes, isTcp ? at + 2 : at, end, spans);
      break;
    case LAYER.dhcp:
      decodeDhcp(bytes, at, end, spans);
      break;
    case LAYER.ntp:
      decodeNtp(bytes, at, end, spans);
      break;
    case LAYER.http: {
      const to = headEnd(bytes, at, end);
      const head = to < 0 ? undefined : parseHead(bytes, at, to);
      if (head !== undefined) headSpans(bytes, at, to, head, spans);
      break;
    }
    case LAYER.tls:
      recordSpans(bytes, at, end, spans);
  }
}

/** All records that begin in the payload; of handshakes in the clear the hello. */
function recordSpans(bytes: Uint8Array, at: number, end: number, spans: FieldSpans): void {
  let isEncrypted = false;
  while (end - at >= 5) {
    const type = bytes[at]!;
    const recordEnd = at + 5 + u16(bytes, at + 3);
    spans.add("tls.record.content_type", at, 1);
    spans.add("tls.record.version", at + 1, 2);
    spans.add("tls.record.length", at + 3, 2);
    if (type === CONTENT.changeCipherSpec) isEncrypted = true;
    const isPlain = type === CONTENT.handshake && !isEncrypted;
    if (isPlain && recordEnd <= end && recordEnd - at >= 11 && beginsHello(bytes, at + 5)) {
      const hello = bytes[at + 5]!;
      const helloEnd = at + 9 + ((bytes[at + 6]! << 16) | u16(bytes, at + 7));
      spans.add("tls.handshake.type", at + 5, 1);
      spans.add("tls.handshake.length", at + 6, 3);
      if (helloEnd <= recordEnd) parseHello(bytes, at + 9, helloEnd, hello === HANDSHAKE.clientHello, spans);
    }
    at = recordEnd;
  }
}

/** By its type and major version, too: where the ciphers changed in an earlier packet the bytes are anything. */
function beginsHello(bytes: Uint8Array, at: number): boolean {
  const type = bytes[at]!;
  return (type === HANDSHAKE.clientHello || type === HANDSHAKE.serverHello) && bytes[at + 4] === 3;
}
