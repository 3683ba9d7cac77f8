import { t, type Infer } from "../../core/schema.ts";
import { FLOW_DEFAULTS, type FlowOptions } from "./flow-options.ts";

const seconds = (defaultMs: number, description: string, minimum = 1) =>
  t.number({ default: defaultMs / 1000, minimum, maximum: 86_400, description: `${description} In seconds.` });

/** The options of the output `flows`, as users write them. */
export const flowsOptions = t.object({
  max_flows: t.integer({
    default: FLOW_DEFAULTS.maxFlows,
    minimum: 1,
    maximum: 10_000_000,
    description:
      "Flows at the same time, at most: then one that has been silent for long makes room for a new one (counted). About 180 bytes each.",
  }),
  active_seconds: seconds(
    FLOW_DEFAULTS.activeMs,
    "A flow that goes on gives an event with its totals so far about this often; 0: never.",
    0,
  ),
  tcp_idle_seconds: seconds(FLOW_DEFAULTS.tcpIdleMs, "A TCP connection is over after so long without a packet."),
  handshake_idle_seconds: seconds(
    FLOW_DEFAULTS.handshakeIdleMs,
    "A TCP connection that nobody accepted is over after so long.",
  ),
  closed_idle_seconds: seconds(
    FLOW_DEFAULTS.closedIdleMs,
    "A closed or reset TCP connection is waited for so long, for what is still under way.",
  ),
  udp_idle_seconds: seconds(FLOW_DEFAULTS.udpIdleMs, "A flow of UDP or SCTP is over after so long without a packet."),
  other_idle_seconds: seconds(FLOW_DEFAULTS.otherIdleMs, "Any other flow is over after so long without a packet."),
  tunnels: t.enum(["outer", "inner"], {
    default: FLOW_DEFAULTS.tunnels,
    description: "Whether the packets of a tunnel are one flow between its ends, or the flows inside of it.",
  }),
});

/** The same for FlowOutput. */
export function toFlowOptions(options: Infer<typeof flowsOptions>, isOwn: FlowOptions["isOwn"]): FlowOptions {
  return {
    ...FLOW_DEFAULTS,
    maxFlows: options.max_flows,
    activeMs: options.active_seconds * 1000,
    tcpIdleMs: options.tcp_idle_seconds * 1000,
    handshakeIdleMs: options.handshake_idle_seconds * 1000,
    closedIdleMs: options.closed_idle_seconds * 1000,
    udpIdleMs: options.udp_idle_seconds * 1000,
    otherIdleMs: options.other_idle_seconds * 1000,
    ...{ tunnels: options.tunnels, isOwn },
  };
}
