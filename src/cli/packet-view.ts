import type { PacketEvent } from "../packet/packet-event.ts";
import { paint, visible, type Terminal } from "./terminal.ts";

/** `number  time  source  destination  protocol  length  info`, wide enough for IPv4 with ports. */
export const PACKET_TABLE_HEADER = `${"no.".padStart(6)}  ${"time".padEnd(26)}  ${"source".padEnd(21)}  ${"destination".padEnd(21)}  ${"protocol".padEnd(8)}  ${"length".padStart(6)}  info`;

/**
 * A packet as one line of a table. A longer address moves the rest of its line to the right, so that nothing is cut.
 * Text from the wire is made harmless for a terminal.
 */
export function packetLine(event: PacketEvent, terminal: Terminal, isUtc: boolean): string {
  const { frame } = event;
  const protocols = frame.protocols.split(":");
  const cells = [
    String(frame.number).padStart(6),
    timeText(frame.time, isUtc).padEnd(26),
    endpointText(event.source, event.arp?.src.proto_ipv4).padEnd(21),
    endpointText(event.destination, event.arp?.dst.proto_ipv4).padEnd(21),
    (protocols.at(-1) ?? "").padEnd(8),
    String(frame.len).padStart(6),
    infoText(event),
  ];
  const line = cells.join("  ").trimEnd();
  return event.tags === undefined ? line : `${line} ${paint(terminal, "yellow", `[${event.tags.join(", ")}]`)}`;
}

/** A time of RFC 3339 as people read it, with microseconds where it has them. */
export function timeText(time: string | undefined, isUtc: boolean): string {
  if (time === undefined) return "-";
  const fraction = time.slice(19, 26).replace("Z", "");
  if (isUtc) return `${time.slice(0, 10)} ${time.slice(11, 19)}${fraction}`;
  const local = new Date(`${time.slice(0, 19)}Z`);
  const two = (value: number): string => String(value).padStart(2, "0");
  const date = `${local.getFullYear()}-${two(local.getMonth() + 1)}-${two(local.getDate())}`;
  return `${date} ${two(local.getHours())}:${two(local.getMinutes())}:${two(local.getSeconds())}${fraction}`;
}

/** The innermost address of a tunnelled packet, and the MAC where there is no address. */
export function endpointText(
  endpoint: Partial<NonNullable<PacketEvent["source"]>> | undefined,
  arpAddress: string | undefined,
): string {
  const ip = last(endpoint?.ip) ?? arpAddress;
  const port = last(endpoint?.port);
  if (ip === undefined) return endpoint?.mac ?? "-";
  return port === undefined ? ip : ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function last<T>(value: T | T[] | undefined): T | undefined {
  return Array.isArray(value) ? value.at(-1) : value;
}

function infoText({ tcp, udp, icmp, arp, ip, network, dns, dhcpv4 }: PacketEvent): string {
  const parts: string[] = [];
  if (network.vlan !== undefined)
    parts.push(`vlan ${network.vlan.id}${network.inner === undefined ? "" : `.${network.inner.vlan.id}`}`);
  if (tcp !== undefined) parts.push(`${tcp.flags.join(",")} seq ${tcp.seq_raw} ack ${tcp.ack_raw} data ${tcp.len}`);
  if (dns !== undefined) parts.push(dnsText(dns));
  else if (dhcpv4 !== undefined) parts.push(dhcpText(dhcpv4));
  else if (udp !== undefined) parts.push(`data ${udp.len}`);
  if (icmp !== undefined) parts.push(`type ${icmp.type} code ${icmp.code}`);
  if (arp !== undefined) parts.push(arpText(arp));
  if (ip?.fragment !== undefined) parts.push(`fragment ${ip.fragment.id} at ${ip.fragment.offset}`);
  return parts.join(" ");
}

function arpText({ opcode, src, dst }: NonNullable<PacketEvent["arp"]>): string {
  if (opcode === 1) return `who has ${dst.proto_ipv4}?`;
  return opcode === 2 ? `${src.proto_ipv4} is at ${src.hw_mac}` : `operation ${opcode}`;
}

function dnsText({ question, type, response_code, answers }: NonNullable<PacketEvent["dns"]>): string {
  const asked = question === undefined ? "" : ` ${question.type} ${question.name}`;
  if (type === "query") return visible(`query${asked}`);
  const data = (answers ?? []).map((each) => each.data ?? each.type).join(", ");
  return visible(`answer${asked} ${response_code ?? ""} ${data}`.trimEnd());
}

function dhcpText({ op_code, client_mac, assigned_ip, option }: NonNullable<PacketEvent["dhcpv4"]>): string {
  const words = [option?.message_type ?? op_code, client_mac, assigned_ip, option?.requested_ip_address];
  return words.filter((word) => word !== undefined).join(" ");
}
