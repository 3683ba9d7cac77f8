import { u16 } from "../headers/cursor.ts";
import type { HeaderColumns } from "../headers/header-columns.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";

/** Types of requests with the type of their answer, as the Community ID specification pairs them. */
const PAIRS = [
  [8, 0],
  [13, 14],
  [15, 16],
  [10, 9],
  [17, 18],
] as const;
const PAIRS_6 = [
  [128, 129],
  [133, 134],
  [135, 136],
  [130, 131],
  [139, 140],
  [144, 145],
] as const;
/** By type: the request that it is or answers; -1: it is not answered. */
const REQUESTS = requestsOf(PAIRS);
const REQUESTS_6 = requestsOf(PAIRS_6);

function requestsOf(pairs: readonly (readonly [number, number])[]): Int16Array {
  const requests = new Int16Array(256).fill(-1);
  for (const [request, answer] of pairs) requests[request] = requests[answer] = request;
  return requests;
}

/** Whether messages of a type are not answered by others. `protocol`: ICMP or ICMPv6, here and below. */
export function isOneWay(protocol: number, type: number): boolean {
  return (protocol === PROTOCOL.icmp ? REQUESTS : REQUESTS_6)[type] === -1;
}

/** The type of the request that a message answers; its own type where it is a request or is not answered. */
export function requestOf(protocol: number, type: number): number {
  const request = (protocol === PROTOCOL.icmp ? REQUESTS : REQUESTS_6)[type]!;
  return request < 0 ? type : request;
}

export function isAnswer(protocol: number, type: number): boolean {
  return requestOf(protocol, type) !== type;
}

/** Whether a message quotes a packet that could not be delivered (RFC 792, RFC 4443). */
export function isError(protocol: number, type: number): boolean {
  if (protocol === PROTOCOL.icmp) return type === 3 || type === 4 || type === 11 || type === 12;
  return type >= 1 && type <= 4;
}

/** What tells one ping from another; 0 where the message has no identifier, or it was not captured. */
export function icmpIdentifier(
  bytes: Uint8Array,
  columns: HeaderColumns,
  i: number,
  slot: number,
  type: number,
): number {
  const hasIdentifier =
    columns.ipProtocol[slot] === PROTOCOL.icmp
      ? type === 8 || type === 0 || (type >= 13 && type <= 18)
      : type === 128 || type === 129;
  return hasIdentifier && columns.payloadAt[i]! >= 0 ? u16(bytes, columns.transportAt[slot]! + 4) : 0;
}
