import { u16 } from "./headers/cursor.ts";
import { LAYER } from "./headers/layer.ts";
import { beginsRequest, beginsResponse } from "./http/head.ts";
import { beginsRecord } from "./tls/records.ts";

/** By UDP port; tshark decides by the port, too, the lower one first. */
export const UDP_PORT_LAYERS: ReadonlyMap<number, number> = new Map([
  [53, LAYER.dns],
  [67, LAYER.dhcp],
  [68, LAYER.dhcp],
  [123, LAYER.ntp],
  [5353, LAYER.mdns],
  [5355, LAYER.llmnr],
]);

function lowerPortLayer(layers: ReadonlyMap<number, number>, source: number, destination: number): number {
  return layers.get(Math.min(source, destination)) ?? layers.get(Math.max(source, destination)) ?? LAYER.data;
}

/** The application layer of a UDP datagram with a payload by its ports; LAYER.data: none that we know. */
export function udpApplication(source: number, destination: number): number {
  return lowerPortLayer(UDP_PORT_LAYERS, source, destination);
}

/** TCP ports whose payload tshark takes for something whatever it is. */
export const TCP_PORT_LAYERS: ReadonlyMap<number, number> = new Map<number, number>([
  [53, LAYER.dns],
  ...[80, 631, 3128, 8080, 8088].map((port) => [port, LAYER.http] as const),
  ...[443, 465, 636, 853, 993, 995, 8883].map((port) => [port, LAYER.tls] as const),
]);

/** What tshark calls a TCP segment's payload by the ports alone, the lower one first; LAYER.data: nothing. */
export function tcpPortLayer(source: number, destination: number): number {
  return lowerPortLayer(TCP_PORT_LAYERS, source, destination);
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
