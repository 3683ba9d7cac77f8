import { u16 } from "./headers/cursor.ts";
import { LAYER } from "./headers/layer.ts";
import { beginsRequest, beginsResponse } from "./http/head.ts";
import { beginsRecord } from "./tls/records.ts";

/** By UDP port; tshark decides by the port, too, the lower one first. */
function ofUdpPort(port: number): number {
  switch (port) {
    case 53:
      return LAYER.dns;
    case 67:
    case 68:
      return LAYER.dhcp;
    case 123:
      return LAYER.ntp;
    case 5353:
      return LAYER.mdns;
    case 5355:
      return LAYER.llmnr;
    default:
      return -1;
  }
}

/** The application layer of a UDP datagram with a payload by its ports; LAYER.data: none that we know. */
export function udpApplication(source: number, destination: number): number {
  const lower = ofUdpPort(Math.min(source, destination));
  if (lower >= 0) return lower;
  const higher = ofUdpPort(Math.max(source, destination));
  return higher >= 0 ? higher : LAYER.data;
}

/** Ports whose payload tshark takes for something whatever it is. */
function ofTcpPort(port: number): number {
  switch (port) {
    case 53:
      return LAYER.dns;
    case 80:
    case 631:
    case 3128:
    case 8080:
    case 8088:
      return LAYER.http;
    case 443:
    case 465:
    case 636:
    case 853:
    case 993:
    case 995:
    case 8883:
      return LAYER.tls;
    default:
      return -1;
  }
}

/** What tshark calls a TCP segment's payload by the ports alone, the lower one first; LAYER.data: nothing. */
export function tcpPortLayer(source: number, destination: number): number {
  const lower = ofTcpPort(Math.min(source, destination));
  if (lower >= 0) return lower;
  const higher = ofTcpPort(Math.max(source, destination));
  return higher >= 0 ? higher : LAYER.data;
}

/**
 * The application layer that begins with a TCP segment's payload, each segment by itself; -1: none that we know. DNS
 * (RFC 1035 section 4.2.2) only where the segment is one whole message behind its length.
 */
export function tcpApplication(
  source: number,
  destination: number,
  bytes: Uint8Array,
  payloadAt: number,
  payloadLength: number,
): number {
  if (source === 53 || destination === 53)
    return payloadLength > 2 && u16(bytes, payloadAt) === payloadLength - 2 ? LAYER.dns : -1;
  const end = payloadAt + payloadLength;
  if (payloadLength >= 5 && beginsRecord(bytes, payloadAt, end)) return LAYER.tls;
  // As far as a method with its blank, and `HTTP/1.`.
  if (payloadLength < 8) return -1;
  return beginsRequest(bytes, payloadAt, end) || beginsResponse(bytes, payloadAt, end) ? LAYER.http : -1;
}
