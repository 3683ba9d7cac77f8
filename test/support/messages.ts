import { A_MAC, address, B_MAC, eth, icmp, ip4, ip6, join, mac, u16, u32, u8, udp } from "./frames.ts";

/** A frame with a UDP payload between 10.0.0.1 (who asks) and 10.0.0.2, or the other way. */
export function datagram(isQuestion: boolean, ports: readonly [number, number], payload: Uint8Array): Buffer {
  const [source, destination] = isQuestion ? ["10.0.0.1", "10.0.0.2"] : ["10.0.0.2", "10.0.0.1"];
  const [from, to] = isQuestion ? ports : [ports[1], ports[0]];
  return eth(0x0800, ip4(17, udp(from, to, payload), { source: source, destination: destination }));
}

const dnsName = (name: string): Buffer =>
  join(...name.split(".").map((label) => join(u8(label.length), Buffer.from(label))), u8(0));

/** A question for an address, or with `code` the answer to it: with one address if that is 0. */
export function dns(id: number, name: string, code?: number): Buffer {
  const question = join(dnsName(name), u16(1, 1));
  if (code === undefined) return join(u16(id, 0x0100, 1, 0, 0, 0), question);
  const answer = code === 0 ? join(u16(0xc00c, 1, 1), u32(60), u16(4), address("192.0.2.1")) : [];
  return join(u16(id, 0x8180 | code, 1, code === 0 ? 1 : 0, 0, 0), question, answer);
}

export const DHCP = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const;

/** A DHCP message: its type, and options as code and value. */
export function dhcp(
  type: keyof typeof DHCP,
  transaction = 0x1234,
  options: readonly (readonly [number, Uint8Array])[] = [],
): Buffer {
  const isReply = ["offer", "ack", "nak"].includes(type);
  const encoded = options.map(([code, value]) => join(u8(code, value.length), value));
  return join(
    u8(isReply ? 2 : 1, 1, 6, 0),
    u32(transaction, 0, 0),
    address(isReply && type !== "nak" ? "10.0.0.9" : "0.0.0.0"),
    u32(0, 0),
    mac(A_MAC),
    Buffer.alloc(10 + 192),
    u32(0x63825363),
    u8(53, 1, DHCP[type]),
    ...encoded,
    u8(255),
  );
}

/** From a client that has no address yet, or from the server. */
export const dhcpFrame = (isQuestion: boolean, message: Uint8Array): Buffer =>
  isQuestion
    ? eth(0x0800, ip4(17, udp(68, 67, message), { source: "0.0.0.0", destination: "255.255.255.255" }))
    : eth(0x0800, ip4(17, udp(67, 68, message), { source: "10.0.0.2", destination: "10.0.0.9" }));

/** Sent at the time `cookie`, or the server's answer to that. */
export function ntp(isQuestion: boolean, cookie: number, stratum = 2, reference = address("192.0.2.7")): Buffer {
  const time = u32(3_900_000_000, cookie);
  const none = u32(0, 0);
  if (isQuestion) return join(u8(0x23, 0, 6, 0xe9), u32(0, 0, 0), none, none, none, time);
  return join(u8(0x24, stratum, 6, 0xe9), u32(0, 0), reference, time, time, time, time);
}

export function echo(version: 4 | 6, isQuestion: boolean, number: number): Buffer {
  const body = u16(7, number);
  if (version === 6) {
    const [source, destination] = isQuestion ? ["2001:db8::1", "2001:db8::2"] : ["2001:db8::2", "2001:db8::1"];
    return eth(0x86dd, ip6(58, icmp(isQuestion ? 128 : 129, 0, body), source, destination));
  }
  const [source, destination] = isQuestion ? ["10.0.0.1", "10.0.0.2"] : ["10.0.0.2", "10.0.0.1"];
  return eth(0x0800, ip4(1, icmp(isQuestion ? 8 : 0, 0, body), { source: source, destination: destination }));
}

/** Who has 2001:db8::N? asked of its group, and the answer. */
export function neighbour(isQuestion: boolean, n: number): Buffer {
  const target = `2001:db8::${n.toString(16)}`;
  const message = icmp(isQuestion ? 135 : 136, 0, join(u32(0), address(target)));
  return isQuestion
    ? eth(0x86dd, ip6(58, message, "2001:db8::1", `ff02::1:ff00:${n.toString(16)}`))
    : eth(0x86dd, ip6(58, message, target, "2001:db8::1"));
}

/** Who has 10.0.0.N?, and the answer. */
export function arpFor(isQuestion: boolean, n: number, asker = "10.0.0.1"): Buffer {
  const asks = join(mac(A_MAC), address(asker));
  const has = join(isQuestion ? Buffer.alloc(6) : mac(B_MAC), address(`10.0.0.${n}`));
  return eth(
    0x0806,
    join(u16(1, 0x0800), u8(6, 4), u16(isQuestion ? 1 : 2), ...(isQuestion ? [asks, has] : [has, asks])),
  );
}
