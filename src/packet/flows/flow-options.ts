/** How flows are told apart, and when they are over. */
export interface FlowOptions {
  /** Flows at the same time, at most: one that has been silent for long makes room for a new one. About 180 bytes each. */
  readonly maxFlows: number;
  /** A flow is over after so long without a packet: TCP connections that were set up … */
  readonly tcpIdleMs: number;
  /** … TCP handshakes that nobody answered … */
  readonly handshakeIdleMs: number;
  /** … TCP connections that were closed or reset (for what is still under way) … */
  readonly closedIdleMs: number;
  /** … UDP and SCTP … */
  readonly udpIdleMs: number;
  /** … and all else: ICMP, tunnels, pieces of datagrams. */
  readonly otherIdleMs: number;
  /** A flow that goes on gives a record with its totals so far about this often; 0: never. */
  readonly activeMs: number;
  /** Whether the packets of a tunnel are one flow between its ends, or the flows inside of it. */
  readonly tunnels: "outer" | "inner";
  /** Whether an address is one of this machine (the text of ECS); undefined: nobody knows, and no direction is told. */
  readonly isOwn: ((ip: string) => boolean) | undefined;
  /** Which process has the socket; undefined where that is not looked for. */
  readonly processes: FlowProcesses | undefined;
}

/** Who has which socket of this machine. */
export interface FlowProcesses {
  /** A flow began, so sockets may be worth a look. Must return at once. */
  flowBegan(): void;
  /** The process of the socket, as far as it is known. `transport`: `tcp` or `udp`. */
  find(transport: string, ip: string, port: number, otherIp: string, otherPort: number): FlowProcess | undefined;
}

/** A process with an open socket. */
export interface FlowProcess {
  readonly pid: number;
  readonly name: string;
}

/** What is taken where nobody says otherwise. */
export const FLOW_DEFAULTS: FlowOptions = {
  maxFlows: 1_000_000,
  tcpIdleMs: 300_000,
  handshakeIdleMs: 60_000,
  closedIdleMs: 10_000,
  udpIdleMs: 60_000,
  otherIdleMs: 60_000,
  activeMs: 60_000,
  ...{ tunnels: "outer", isOwn: undefined, processes: undefined },
};
