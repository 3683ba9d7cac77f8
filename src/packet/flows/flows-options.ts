import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { WiretailError } from "../../core/error.ts";
import { t, type Infer } from "../../core/schema.ts";
import { FLOW_DEFAULTS, type FlowOptions, type FlowProcesses } from "./flow-options.ts";
import { LocalProcesses } from "./local-processes.ts";

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
  own_addresses: t.array(t.string({ minLength: 1 }), {
    default: [],
    description:
      "Addresses and networks (`10.0.0.0/8`) that are this side's, for `network.direction`; `host`: those that this machine has at the start. By default live captures take those that it has at the moment, and others give no direction.",
    examples: [["host"], ["10.0.0.0/8", "fd00::/8"]],
  }),
  processes: t.boolean({
    default: true,
    description:
      "Name the process of this machine that has the connection's socket, by /proc (Linux), in live captures on interfaces. Sockets that are open for a moment only may be missed; without root or CAP_SYS_PTRACE only the processes of the agent's own user are seen.",
  }),
});
export type FlowsOptions = Infer<typeof flowsOptions>;

/** One for all captures: each look goes through the whole of /proc. */
let processes: LocalProcesses | undefined;

/** Processes of this machine's own side of flows; nobody has to look for the other one. */
function processesOf(isOwn: (ip: string) => boolean): FlowProcesses {
  const all = (processes ??= new LocalProcesses());
  return {
    flowBegan: () => all.flowBegan(),
    find: (transport, ip, ...rest) => (isOwn(ip) ? all.find(transport, ip, ...rest) : undefined),
  };
}

/**
 * The same for FlowOutput. `isOwn`: whether an address is one of this machine's; undefined where packets were captured
 * elsewhere. Throws WT_CONFIG_INVALID for an own address that is none.
 */
export function toFlowOptions(options: FlowsOptions, isOwn: FlowOptions["isOwn"]): FlowOptions {
  return {
    maxFlows: options.max_flows,
    activeMs: options.active_seconds * 1000,
    tcpIdleMs: options.tcp_idle_seconds * 1000,
    handshakeIdleMs: options.handshake_idle_seconds * 1000,
    closedIdleMs: options.closed_idle_seconds * 1000,
    udpIdleMs: options.udp_idle_seconds * 1000,
    otherIdleMs: options.other_idle_seconds * 1000,
    tunnels: options.tunnels,
    isOwn: options.own_addresses.length === 0 ? isOwn : ownTest(options.own_addresses),
    processes: options.processes && isOwn !== undefined ? processesOf(isOwn) : undefined,
  };
}

function ownTest(texts: readonly string[]): (ip: string) => boolean {
  const own = new BlockList();
  const addresses = texts.flatMap((text) =>
    text === "host"
      ? Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address))
      : [text],
  );
  for (const text of addresses) {
    const [address = "", prefix] = text.split("/");
    const version = isIP(address);
    const bits = prefix === undefined ? undefined : Number(prefix);
    const isWrong = bits !== undefined && !(Number.isInteger(bits) && bits >= 0 && bits <= (version === 4 ? 32 : 128));
    if (version === 0 || isWrong)
      throw new WiretailError(
        "WT_CONFIG_INVALID",
        `own_addresses: ${JSON.stringify(text)} is no address, network or "host"`,
      );
    const family = version === 4 ? "ipv4" : "ipv6";
    if (bits === undefined) own.addAddress(address, family);
    else own.addSubnet(address, bits, family);
  }
  return (ip) => own.check(ip, ip.includes(":") ? "ipv6" : "ipv4");
}
