import { formatBytes, paint, visible, type Terminal } from "./terminal.ts";
import { endpointText, timeText } from "./packet-view.ts";

/** A transaction, as far as the table shows it. */
interface TransactionDocument {
  readonly "@timestamp"?: string;
  readonly event: { readonly duration?: number };
  readonly type: string;
  readonly status: string;
  readonly method?: string;
  readonly query?: string;
  readonly resource?: string;
  readonly client: Peer;
  readonly server: Peer;
  readonly error?: { readonly message: string };
  readonly dns?: { readonly response_code?: string; readonly answers?: readonly { data?: string; type: string }[] };
  readonly http?: { readonly response?: { readonly status_code: number } };
  readonly url?: { readonly full?: string; readonly original: string };
  readonly tls?: { readonly version?: string; readonly cipher?: string };
  readonly dhcpv4?: { readonly assigned_ip?: string; readonly option?: { readonly message_type?: string } };
  readonly arp?: { readonly dst: { readonly hw_mac: string } };
}
interface Peer {
  readonly ip?: string;
  readonly port?: number;
  readonly mac?: string;
  readonly bytes?: number;
}

/** `begin  milliseconds  protocol  client  server  bytes of both  info`. */
export const TRANSACTION_TABLE_HEADER = [
  ...["start".padEnd(26), "ms".padStart(10), "type".padEnd(6), "client".padEnd(21), "server".padEnd(21)],
  ...["bytes".padStart(19), "info"],
].join("  ");

/** A transaction as one line of a table; `-` for milliseconds: it was not answered. */
export function transactionLine(document: unknown, terminal: Terminal, isUtc: boolean): string {
  const transaction = document as TransactionDocument;
  const { event, client, server, status, error } = transaction;
  const cells = [
    timeText(transaction["@timestamp"], isUtc).padEnd(26),
    (event.duration === undefined ? "-" : (event.duration / 1e6).toFixed(3)).padStart(10),
    transaction.type.padEnd(6),
    endpointText(client, undefined).padEnd(21),
    endpointText(server, undefined).padEnd(21),
    `${formatBytes(client.bytes ?? 0)}/${formatBytes(server.bytes ?? 0)}`.padStart(19),
    infoText(transaction),
  ];
  const line = visible(cells.join("  ").trimEnd());
  if (error !== undefined) return `${line} ${paint(terminal, "yellow", `[${visible(error.message)}]`)}`;
  return status === "OK" ? line : paint(terminal, "yellow", line);
}

function infoText(transaction: TransactionDocument): string {
  const { type, method, query, resource, dns, http, url, tls, dhcpv4, arp } = transaction;
  const isAnswered = transaction.event.duration !== undefined;
  const words: (string | number | undefined)[] = [];
  if (type === "http") words.push(method, url?.full ?? url?.original, http?.response?.status_code);
  else if (type === "dns") {
    const answers = (dns?.answers ?? []).map((answer) => answer.data ?? answer.type).join(", ");
    words.push(query?.replace(/^class \S+, type (\S+), /, "$1 "), dns?.response_code, answers);
  } else if (type === "tls") words.push(resource, tls?.version && `TLS ${tls.version}`, tls?.cipher);
  else if (type === "dhcpv4") words.push(method, query, dhcpv4?.assigned_ip ?? resource, dhcpv4?.option?.message_type);
  else if (type === "arp") words.push(query, isAnswered ? arp?.dst.hw_mac : undefined);
  else words.push(method, query ?? resource);
  return words.filter((word) => word !== undefined && word !== "").join(" ");
}
