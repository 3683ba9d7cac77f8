import { t, type Infer } from "../../core/schema.ts";
import { DEFAULT_HTTP_FIELDS, SHOW_CREDENTIALS } from "../http/fields.ts";

export const TRANSACTION_PROTOCOLS = ["dns", "http", "tls", "dhcp", "icmp", "arp", "ntp"] as const;

export const transactionsOptions = t.object({
  protocols: t.array(t.enum(TRANSACTION_PROTOCOLS), {
    default: [...TRANSACTION_PROTOCOLS],
    description: "Whose questions and answers are paired.",
  }),
  answer_timeout_ms: t.integer({
    minimum: 1,
    maximum: 3_600_000,
    default: 10_000,
    description:
      "After so many milliseconds of capture time a question over UDP, ICMP or ARP is reported as unanswered. Requests of HTTP are when their connection ends.",
  }),
  idle_timeout_ms: t.integer({
    minimum: 1000,
    maximum: 86_400_000,
    default: 300_000,
    description: "A TCP connection without packets for so many milliseconds of capture time is over.",
  }),
  max_open: t.integer({
    minimum: 1,
    maximum: 10_000_000,
    default: 65_536,
    description:
      "Open questions of each protocol, and TCP connections; for one more, the oldest is given up, and counted.",
  }),
  max_stream_bytes: t.integer({
    minimum: 65_536,
    maximum: 1 << 30,
    default: 32 << 20,
    description: "Bytes of TCP segments, of all connections, that may wait for segments before them.",
  }),
  http_headers: t.array(t.string({ minLength: 1 }), {
    default: [...DEFAULT_HTTP_FIELDS.headers],
    description: "Header fields of HTTP requests and responses to tell, by name.",
  }),
  show_credentials: t.boolean({ default: false, description: SHOW_CREDENTIALS }),
});
export type TransactionsOptions = Infer<typeof transactionsOptions>;
