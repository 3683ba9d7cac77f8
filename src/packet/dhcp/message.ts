import { formatIp4, formatMac } from "../address.ts";
import type { FieldSpans } from "../field-spans.ts";
import { u16, u32 } from "../headers/cursor.ts";

/** A DHCP message for IPv4 (RFC 2131) with the names of Packetbeat's `dhcpv4`. */
export interface DhcpMessage {
  readonly op_code: "bootrequest" | "bootreply";
  readonly hardware_type: string;
  readonly hops: number;
  readonly transaction_id: string;
  readonly seconds: number;
  readonly flags: "broadcast" | "unicast";
  readonly client_mac: string | undefined;
  readonly client_ip: string | undefined;
  readonly assigned_ip: string | undefined;
  readonly server_ip: string | undefined;
  readonly relay_ip: string | undefined;
  readonly server_name: string | undefined;
  readonly boot_file_name: string | undefined;
  readonly option: DhcpOptions | undefined;
}

/** Options that were sent. */
interface DhcpOptions {
  message_type?: string;
  parameter_request_list?: number[];
  requested_ip_address?: string;
  server_identifier?: string;
  subnet_mask?: string;
  broadcast_address?: string;
  router?: string[];
  dns_servers?: string[];
  ntp_servers?: string[];
  hostname?: string;
  domain_name?: string;
  message?: string;
  class_identifier?: string;
  max_dhcp_message_size?: number;
  ip_address_lease_time_sec?: number;
  renewal_time_sec?: number;
  rebinding_time_sec?: number;
}

/** What is there before options: without the "magic cookie" it is BOOTP (RFC 951), which had no options. */
const HEADER_BYTES = 236;
const COOKIE = 0x63825363;

const HEADER_FIELDS = [
  ["dhcp.type", 0, 1],
  ["dhcp.hw.type", 1, 1],
  ["dhcp.hw.len", 2, 1],
  ["dhcp.hops", 3, 1],
  ["dhcp.id", 4, 4],
  ["dhcp.secs", 8, 2],
  ["dhcp.flags", 10, 2],
  ["dhcp.ip.client", 12, 4],
  ["dhcp.ip.your", 16, 4],
  ["dhcp.ip.server", 20, 4],
  ["dhcp.ip.relay", 24, 4],
  ["dhcp.hw.mac_addr", 28, 6],
  ["dhcp.server", 44, 64],
  ["dhcp.file", 108, 128],
] as const;

const MESSAGE_TYPES = [
  ...["", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform", "forcerenew"],
  ...["leasequery", "leaseunassigned", "leaseunknown", "leaseactive"],
];

/**
 * Decodes the message in `bytes` from `from` to `to`: 0 operation | 1 hardware type | 2 hardware address length | 3 hops |
 * 4 transaction | 8 seconds | 10 flags | 12 client | 16 yours | 20 server | 24 relay | 28 hardware address, 16 bytes |
 * 44 server name, 64 bytes | 108 boot file, 128 bytes | 236 cookie | 240 options. Undefined: it is malformed or not all
 * there. Nothing makes it throw. `spans` notes where the fields lie, also of what is malformed further on.
 */
export function decodeDhcp(bytes: Uint8Array, from: number, to: number, spans?: FieldSpans): DhcpMessage | undefined {
  if (to - from < HEADER_BYTES) return undefined;
  if (spans !== undefined) for (const [name, at, length] of HEADER_FIELDS) spans.add(name, from + at, length);
  const operation = bytes[from]!;
  if (operation !== 1 && operation !== 2) return undefined;
  const hardwareType = bytes[from + 1]!;
  let option: DhcpOptions | undefined;
  // Option 52 says that the fields for names hold options instead.
  let overload = 0;
  if (to - from >= HEADER_BYTES + 4 && u32(bytes, from + HEADER_BYTES) === COOKIE) {
    option = {};
    spans?.add("dhcp.cookie", from + HEADER_BYTES, 4);
    const said = takeOptions(bytes, from + HEADER_BYTES + 4, to, option, spans);
    if (said === undefined) return undefined;
    overload = said;
    if ((overload & 1) !== 0) takeOptions(bytes, from + 108, from + HEADER_BYTES, option, spans);
    if ((overload & 2) !== 0) takeOptions(bytes, from + 44, from + 108, option, spans);
  }
  const isEthernet = hardwareType === 1 && bytes[from + 2] === 6;
  return {
    op_code: operation === 1 ? "bootrequest" : "bootreply",
    hardware_type: hardwareType === 1 ? "Ethernet" : String(hardwareType),
    hops: bytes[from + 3]!,
    transaction_id: `0x${u32(bytes, from + 4)
      .toString(16)
      .padStart(8, "0")}`,
    seconds: u16(bytes, from + 8),
    flags: (u16(bytes, from + 10) & 0x8000) !== 0 ? "broadcast" : "unicast",
    client_mac: isEthernet ? formatMac(bytes, from + 28) : undefined,
    client_ip: givenAddress(bytes, from + 12),
    assigned_ip: givenAddress(bytes, from + 16),
    server_ip: givenAddress(bytes, from + 20),
    relay_ip: givenAddress(bytes, from + 24),
    server_name: (overload & 2) !== 0 ? undefined : fieldText(bytes, from + 44, from + 108),
    boot_file_name: (overload & 1) !== 0 ? undefined : fieldText(bytes, from + 108, from + HEADER_BYTES),
    option,
  };
}

/** RFC 2132: code, length, value; 0 is padding, 255 the end. Returns what option 52 says; undefined: malformed. */
function takeOptions(
  bytes: Uint8Array,
  at: number,
  end: number,
  into: DhcpOptions,
  spans: FieldSpans | undefined,
): number | undefined {
  let overload = 0;
  while (at < end) {
    const code = bytes[at]!;
    if (code === 255) break;
    if (code === 0) {
      at++;
      continue;
    }
    if (at + 2 > end) return undefined;
    const valueAt = at + 2;
    const length = bytes[at + 1]!;
    at = valueAt + length;
    if (at > end) return undefined;
    spans?.add("dhcp.option.type", valueAt - 2, 2 + length);
    spans?.add("dhcp.option.length", valueAt - 1, 1);
    spans?.add("dhcp.option.value", valueAt, length);
    if (code === 52 && length === 1) overload = bytes[valueAt]!;
    else takeOption(code, bytes, valueAt, length, into);
  }
  return overload;
}

function takeOption(code: number, bytes: Uint8Array, at: number, length: number, into: DhcpOptions): void {
  const one = length === 4 ? formatIp4(bytes, at) : undefined;
  const number = length === 4 ? u32(bytes, at) : undefined;
  switch (code) {
    case 1:
      if (one !== undefined) into.subnet_mask = one;
      break;
    case 3:
      into.router = addresses(bytes, at, length);
      break;
    case 6:
      into.dns_servers = addresses(bytes, at, length);
      break;
    case 12:
      into.hostname = text(bytes, at, length);
      break;
    case 15:
      into.domain_name = text(bytes, at, length);
      break;
    case 28:
      if (one !== undefined) into.broadcast_address = one;
      break;
    case 42:
      into.ntp_servers = addresses(bytes, at, length);
      break;
    case 50:
      if (one !== undefined) into.requested_ip_address = one;
      break;
    case 51:
      if (number !== undefined) into.ip_address_lease_time_sec = number;
      break;
    case 53:
      if (length === 1) into.message_type = MESSAGE_TYPES[bytes[at]!] || String(bytes[at]);
      break;
    case 54:
      if (one !== undefined) into.server_identifier = one;
      break;
    case 55:
      into.parameter_request_list = [...bytes.subarray(at, at + length)];
      break;
    case 56:
      into.message = text(bytes, at, length);
      break;
    case 57:
      if (length === 2) into.max_dhcp_message_size = u16(bytes, at);
      break;
    case 58:
      if (number !== undefined) into.renewal_time_sec = number;
      break;
    case 59:
      if (number !== undefined) into.rebinding_time_sec = number;
      break;
    case 60:
      into.class_identifier = text(bytes, at, length);
      break;
  }
}

function addresses(bytes: Uint8Array, at: number, length: number): string[] {
  const found: string[] = [];
  for (let i = 0; i + 4 <= length; i += 4) found.push(formatIp4(bytes, at + i));
  return found;
}

/** 0.0.0.0 means that there is none. */
function givenAddress(bytes: Uint8Array, at: number): string | undefined {
  return u32(bytes, at) === 0 ? undefined : formatIp4(bytes, at);
}

function text(bytes: Uint8Array, at: number, length: number): string {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString();
  return whole.replace(/\0+$/, "");
}

/** A field that ends at its first zero byte; undefined when it is empty. */
function fieldText(bytes: Uint8Array, at: number, end: number): string | undefined {
  const zero = bytes.subarray(at, end).indexOf(0);
  const length = zero < 0 ? end - at : zero;
  return length === 0 ? undefined : text(bytes, at, length);
}
