import { LAYER_NAMES } from "../headers/layer.ts";

/** Names of applications by the number in a flow's record; 0: not known. */
export const APPLICATION_NAMES: readonly string[] = ["", ...LAYER_NAMES, "http", "tls", "ssh", "ntp", "quic", "smtp"];
/** What a record has for a layer that the header decoder told. */
export const ofLayer = (layer: number): number => layer + 1;

const FIRST = LAYER_NAMES.length + 1;
const [HTTP, TLS, SSH, NTP, QUIC, SMTP] = [0, 1, 2, 3, 4, 5].map((i) => FIRST + i) as [
  ...[number, number, number, number, number, number],
];
const METHODS = new Set(["GET ", "POST", "HEAD", "PUT ", "DELE", "OPTI", "PATC", "CONN", "TRAC", "HTTP"]);

/** What the first payload of a TCP connection's side is; 0: not known. `end`: where the captured bytes end. */
export function tcpBegins(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 4) return 0;
  const first = bytes[at]!;
  // A TLS record: handshake, version 3.x, at most 2^14 and some bytes.
  if (first === 0x16 && bytes[at + 1] === 3 && bytes[at + 2]! <= 4 && bytes[at + 3]! <= 0x48) return TLS;
  if (first < 0x32 || first > 0x5a) return 0;
  const word = String.fromCharCode(first, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
  if (word === "SSH-") return SSH;
  if (word === "EHLO" || word === "HELO") return SMTP;
  return METHODS.has(word) ? HTTP : 0;
}

/** What a UDP datagram is by port and first bytes, beyond what the header decoder knows; 0: not known. */
export function udpBegins(bytes: Uint8Array, at: number, end: number, source: number, destination: number): number {
  // RFC 5905: leap 2 bits, version 3 bits, mode 3 bits; 48 bytes at least.
  if (source === 123 || destination === 123) return end - at >= 48 && (bytes[at]! & 7) > 0 ? NTP : 0;
  // RFC 9000: a long header with the fixed bit, version 1, or version 2 of RFC 9369.
  if ((source !== 443 && destination !== 443) || end - at < 5 || (bytes[at]! & 0xc0) !== 0xc0) return 0;
  const version = (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!;
  return version === 1 || version === 0x6b3343cf ? QUIC : 0;
}

/** Whether a port is one that servers listen on and clients rarely have. */
export function isServerPort(port: number): boolean {
  return port < 1024 || port === 5353 || port === 5355 || port === 8080 || port === 8443;
}
