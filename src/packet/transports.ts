import { PROTOCOL } from "./headers/ip-layers.ts";

/** `network.transport` by the number of the protocol. */
export const TRANSPORTS: Readonly<Record<number, string>> = {
  [PROTOCOL.icmp]: "icmp",
  [PROTOCOL.igmp]: "igmp",
  [PROTOCOL.tcp]: "tcp",
  [PROTOCOL.udp]: "udp",
  [PROTOCOL.gre]: "gre",
  [PROTOCOL.esp]: "esp",
  [PROTOCOL.ah]: "ah",
  [PROTOCOL.icmp6]: "ipv6-icmp",
  [PROTOCOL.sctp]: "sctp",
};
