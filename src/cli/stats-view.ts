import { timeText } from "./packet-view.ts";
import { formatBytes, formatCount, visible, type Terminal } from "./terminal.ts";

interface StatsDocument {
  readonly event: { readonly start: string };
  readonly metric: { readonly value: number; readonly unit: string; readonly total: number };
  readonly network: { readonly type: string; readonly transport?: string; readonly protocol?: string };
  readonly observer?: { readonly ingress: { readonly interface: { readonly name: string } } };
}

export const STATS_TABLE_HEADER = `${"start".padEnd(23)}  ${"interface".padEnd(10)}  ${"protocol".padEnd(20)}  ${"rate".padStart(16)}  total`;

/** A metric as one line of a table. */
export function statsLine(document: unknown, _terminal: Terminal, isUtc: boolean): string {
  const { event, metric, network, observer } = document as StatsDocument;
  const isBytes = metric.unit === "bytes/s";
  const rate = isBytes ? `${formatBytes(metric.value)}/s` : `${metric.value.toFixed(2)} packets/s`;
  const total = isBytes ? formatBytes(metric.total) : `${formatCount(metric.total)} packets`;
  const layers = [network.type, network.transport, network.protocol].filter((each) => each !== undefined).join(" ");
  const cells = [timeText(event.start, isUtc).padEnd(23), (observer?.ingress.interface.name ?? "-").padEnd(10)];
  return visible([...cells, layers.padEnd(20), rate.padStart(16), total].join("  "));
}
