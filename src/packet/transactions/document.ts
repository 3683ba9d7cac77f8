import { formatIsoTime } from "../../core/time.ts";
import type { DocumentSink } from "../output.ts";
import type { Moment } from "../streams/current-packet.ts";
import { type Endpoints, nanosecondsBetween } from "./endpoints.ts";

/** What all transactions have in common. */
export interface Transaction {
  /** `dns`, `http` …: `type`, and `event.dataset`. */
  readonly type: string;
  /** `network.protocol`, where it is another. */
  readonly protocol?: string;
  readonly endpoints: Endpoints;
  /** When it was asked, or answered where that alone was captured. */
  readonly start: Moment;
  /** When it was answered. */
  readonly end?: Moment | undefined;
  /** Bytes of payload that the client and the server sent. */
  readonly clientBytes?: number | undefined;
  readonly serverBytes?: number | undefined;
  /** `status`: whether it went well. */
  readonly isOk: boolean;
  /** Why not. */
  readonly message?: string | undefined;
  readonly tags?: readonly string[];
  readonly method?: string | undefined;
  readonly query?: string | undefined;
  readonly resource?: string | undefined;
  readonly domain?: string | undefined;
  readonly users?: readonly string[] | undefined;
  readonly hosts?: readonly string[] | undefined;
  /** More addresses that it is about. */
  readonly ips?: readonly string[] | undefined;
  /** What only its protocol has. Members without a value are undefined. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A question or an answer. */
export interface Half {
  readonly start: Moment;
  /** Bytes of payload. */
  readonly bytes?: number | undefined;
}

/** Tags of transactions of which only one half was captured. */
const UNANSWERED = "unanswered";
const UNASKED = "no_request";

/**
 * What of a transaction follows from its two halves, of which one may not be there. `why` is what is amiss, if anything;
 * `isOk`: both are there and nothing is.
 */
export function paired(
  question: Half | undefined,
  answer: Half | undefined,
  why: string | undefined,
): Pick<Transaction, "start" | "end" | "clientBytes" | "serverBytes" | "isOk" | "message" | "tags"> {
  return {
    start: (question ?? answer)!.start,
    end: question === undefined ? undefined : answer?.start,
    clientBytes: question?.bytes,
    serverBytes: answer?.bytes,
    isOk: question !== undefined && answer !== undefined && why === undefined,
    message: why ?? (question === undefined ? "no request was captured for this answer" : undefined),
    tags: answer === undefined ? [UNANSWERED] : question === undefined ? [UNASKED] : [],
  };
}

/**
 * Gives a transaction as an ECS document with the names of Packetbeat's: `@timestamp` is when it began, `event.duration`
 * (ns) how long the answer took, all by the capture's times.
 */
export function give(sink: DocumentSink, transaction: Transaction): void {
  const { type, endpoints, start, end, clientBytes, serverBytes } = transaction;
  const { client, server } = endpoints;
  const clientSide = { ...client, bytes: clientBytes };
  const serverSide = { ...server, domain: transaction.domain, bytes: serverBytes };
  const isCounted = clientBytes !== undefined || serverBytes !== undefined;
  const startText = formatIsoTime(start.ms);
  const document = {
    "@timestamp": startText,
    event: {
      kind: "event",
      category: ["network"],
      type: ["connection", "protocol"],
      dataset: type,
      outcome: transaction.isOk ? "success" : "failure",
      start: startText,
      end: end === undefined ? undefined : formatIsoTime(end.ms),
      duration: end === undefined ? undefined : Math.max(0, nanosecondsBetween(start, end)),
    },
    type,
    status: transaction.isOk ? "OK" : "Error",
    method: transaction.method,
    query: transaction.query,
    resource: transaction.resource,
    client: clientSide,
    server: serverSide,
    source: clientSide,
    destination: serverSide,
    network: {
      type: endpoints.type,
      transport: endpoints.transport,
      protocol: transaction.protocol ?? type,
      bytes: isCounted ? (clientBytes ?? 0) + (serverBytes ?? 0) : undefined,
      community_id: endpoints.communityId,
      vlan: endpoints.vlanId === undefined ? undefined : { id: endpoints.vlanId },
    },
    related: {
      ip: unique([client.ip, server.ip, ...(transaction.ips ?? [])]),
      hosts: unique(transaction.hosts),
      user: unique(transaction.users),
    },
    ...transaction.fields,
    error: transaction.message === undefined ? undefined : { message: transaction.message },
    observer:
      endpoints.interfaceName === undefined ? undefined : { ingress: { interface: { name: endpoints.interfaceName } } },
    tags: transaction.tags === undefined || transaction.tags.length === 0 ? undefined : transaction.tags,
  };
  sink.add(JSON.stringify(document), start.ms);
}

/** Each value once; undefined when there is none. */
function unique(values: readonly (string | undefined)[] | undefined): string[] | undefined {
  if (values === undefined) return undefined;
  const found = [...new Set(values)].filter((value): value is string => value !== undefined && value !== "");
  return found.length === 0 ? undefined : found;
}
