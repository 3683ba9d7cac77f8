import { formatBytes, formatCount, paint, visible, type Terminal } from "./terminal.ts";
import { endpointText, timeText } from "./packet-view.ts";

/** A record of a flow, as far as the table shows it. */
interface FlowDocument {
  readonly "@timestamp"?: string;
  readonly event: { readonly start?: string; readonly duration?: number };
  readonly flow: {
    readonly final: boolean;
    readonly end_reason?: string;
    readonly tcp?: { readonly state: string };
    readonly icmp_error?: { readonly type: number; readonly code: number };
    readonly source: SideOfFlow;
    readonly destination: SideOfFlow;
  };
  readonly source: FlowEndpoint;
  readonly destination: FlowEndpoint;
  readonly network: { readonly transport?: string; readonly iana_number: string; readonly protocol?: string };
}
interface SideOfFlow {
  readonly tcp?: { readonly retransmissions: number; readonly missing_bytes: number };
}
interface FlowEndpoint {
  readonly ip: string;
  readonly port?: number;
  readonly packets: number;
  readonly bytes: number;
}

/** `begin  seconds  transport  source  destination  packets and bytes of both directions  info`. */
export const FLOW_TABLE_HEADER = [
  ...["start".padEnd(26), "seconds".padStart(10), "proto".padEnd(9), "source".padEnd(21), "destination".padEnd(21)],
  ...["packets".padStart(13), "bytes".padStart(19), "info"],
].join("  ");

/** A flow as one line of a table: packets and bytes to the destination, a slash, and back. */
export function flowLine(document: unknown, terminal: Terminal, isUtc: boolean): string {
  const { event, flow, source, destination, network } = document as FlowDocument;
  const cells = [
    timeText(event.start, isUtc).padEnd(26),
    (event.duration === undefined ? "-" : (event.duration / 1e9).toFixed(6)).padStart(10),
    (network.transport ?? network.iana_number).padEnd(9),
    endpointText(source, undefined).padEnd(21),
    endpointText(destination, undefined).padEnd(21),
    `${formatCount(source.packets)}/${formatCount(destination.packets)}`.padStart(13),
    `${formatBytes(source.bytes)}/${formatBytes(destination.bytes)}`.padStart(19),
    flowInfo(flow, network.protocol),
  ];
  const line = visible(cells.join("  ").trimEnd());
  return flow.final ? line : `${line} ${paint(terminal, "dim", "[goes on]")}`;
}

function flowInfo(
  { tcp, source, destination, icmp_error }: FlowDocument["flow"],
  protocol: string | undefined,
): string {
  const repeated = (source.tcp?.retransmissions ?? 0) + (destination.tcp?.retransmissions ?? 0);
  const missing = (source.tcp?.missing_bytes ?? 0) + (destination.tcp?.missing_bytes ?? 0);
  const parts = [
    protocol,
    tcp?.state,
    repeated > 0 ? `${repeated} retransmitted` : undefined,
    missing > 0 ? `${formatBytes(missing)} missing` : undefined,
    icmp_error === undefined ? undefined : `icmp type ${icmp_error.type} code ${icmp_error.code}`,
  ];
  return parts.filter((part) => part !== undefined).join(" ");
}
