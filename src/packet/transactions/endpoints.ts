import { formatIp4, formatIp6, formatMac } from "../address.ts";
import type { CommunityId } from "../community-id.ts";
import { u16 } from "../headers/cursor.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";
import type { CurrentPacket, Moment } from "../streams/current-packet.ts";
import { TRANSPORTS } from "../transports.ts";

/** One of the two that talk. */
export interface Endpoint {
  readonly ip: string | undefined;
  readonly port: number | undefined;
  readonly mac: string | undefined;
}

/** Who asks and who is asked, and by what way: taken from one packet of them. */
export interface Endpoints {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly type: string | undefined;
  readonly transport: string | undefined;
  readonly communityId: string | undefined;
  readonly vlanId: string | undefined;
  readonly interfaceName: string | undefined;
}

/** From one moment to another in nanoseconds; exact up to 104 days. */
export function nanosecondsBetween(from: Moment, to: Moment): number {
  return (to.seconds - from.seconds) * 1e9 + (to.nanoseconds - from.nanoseconds);
}

/**
 * The two ends of the innermost IP header. The Community ID is that of the outermost one, as everywhere else; so are the
 * MAC addresses.
 */
export function endpointsOf(packet: CurrentPacket, isFromClient: boolean, ids: CommunityId): Endpoints {
  const { bytes, columns, index } = packet;
  const source = endpoint(packet, true);
  const destination = endpoint(packet, false);
  const hasIp = columns.ipAt[packet.slot]! >= 0;
  const vlanAt = columns.vlanAt[index]!;
  return {
    client: isFromClient ? source : destination,
    server: isFromClient ? destination : source,
    type: hasIp ? (columns.ipVersion[2 * index] === 4 ? "ipv4" : "ipv6") : undefined,
    transport: hasIp ? TRANSPORTS[columns.ipProtocol[packet.slot]!] : undefined,
    communityId: ids.of(bytes, columns, index),
    vlanId: vlanAt < 0 ? undefined : String(u16(bytes, vlanAt) & 0x0fff),
    interfaceName: packet.from?.name,
  };
}

function endpoint(packet: CurrentPacket, isSource: boolean): Endpoint {
  const { bytes, columns, index, slot } = packet;
  const macAt = isSource ? columns.sourceMacAt[index]! : columns.destinationMacAt[index]!;
  const protocol = columns.ipProtocol[slot];
  const hasPort = columns.transportAt[slot]! >= 0 && (protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp);
  const port = isSource ? columns.sourcePort[slot] : columns.destinationPort[slot];
  return {
    ip: columns.ipAt[slot]! >= 0 ? addressText(packet, isSource) : undefined,
    port: hasPort ? port : undefined,
    mac: macAt < 0 ? undefined : formatMac(bytes, macAt),
  };
}

/** The source's or destination's address of a packet that has an IP header. */
export function addressText(packet: CurrentPacket, isSource: boolean): string {
  const { bytes, addressesAt, isVersion4 } = packet;
  if (isVersion4) return formatIp4(bytes, isSource ? addressesAt : addressesAt + 4);
  return formatIp6(bytes, isSource ? addressesAt : addressesAt + 16);
}
