import { u16 } from "./headers/cursor.ts";
import { LAYER } from "./headers/layer.ts";

/** By UDP port; tshark decides by the port, too, the lower one first. */
function ofUdpPort(port: number): number {
  switch (port) {
    case 53:
      return LAYER.dns;
    case 67:
    case 68:
      return LAYER.dhcp;
    case 5353:
      return LAYER.mdns;
    case 5355:
      return LAYER.llmnr;
    default:
      return -1;
  }
}

/** The application layer of a UDP datagram by its ports; -1: none that we know. */
export function udpApplication(source: number, destination: number): number {
  const lower = ofUdpPort(Math.min(source, destination));
  return lower >= 0 ? lower : ofUdpPort(Math.max(source, destination));
}

/**
 * The application layer of a TCP segment by its ports and payload; -1: none that we know. DNS (RFC 1035 section 4.2.2)
 * only where the segment is one whole message behind its length: streams are not put together.
 */
export function tcpApplication(
  source: number,
  destination: number,
  bytes: Uint8Array,
  payloadAt: number,
  payloadLength: number,
): number {
  if (source !== 53 && destination !== 53) return -1;
  return payloadLength > 2 && u16(bytes, payloadAt) === payloadLength - 2 ? LAYER.dns : -1;
}
