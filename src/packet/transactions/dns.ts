import { decodeDns, type DnsMessage } from "../dns/message.ts";
import { u16 } from "../headers/cursor.ts";
import { type CurrentPacket, type Moment, momentOf } from "../streams/current-packet.ts";
import type { ConnectionReader, Side } from "../streams/tcp-streams.ts";
import { give, paired } from "./document.ts";
import { addressText, type Endpoints, endpointsOf } from "./endpoints.ts";
import { Exchange, type Message } from "./exchange.ts";

interface DnsHalf extends Message {
  readonly message: DnsMessage;
  readonly protocol: "dns" | "llmnr";
}

const LLMNR_PORT = 5355;
/** Behind the 2 bytes of length over TCP (RFC 1035 section 4.2.2). */
const MAX_MESSAGE_BYTES = 65_535;

/**
 * Pairs questions and answers of DNS, over UDP and TCP, and of LLMNR (answered by others than the group that was asked).
 * A question asked again before it was answered is one question, which began the first time.
 */
export class DnsTransactions extends Exchange<DnsHalf> {
  /** Takes a UDP packet from or to port 53 or 5355 with its payload `bytes[at…end)`. */
  take(packet: CurrentPacket, at: number, end: number): void {
    const { columns, slot, bytes } = packet;
    const message = decodeDns(bytes, at, end);
    if (message === undefined) {
      this.malformed++;
      return;
    }
    const isLlmnr = columns.sourcePort[slot] === LLMNR_PORT || columns.destinationPort[slot] === LLMNR_PORT;
    const isQuery = message.type === "query";
    const clientPort = (isQuery ? columns.sourcePort : columns.destinationPort)[slot]!;
    const server = isLlmnr ? "llmnr" : addressText(packet, !isQuery);
    this.#take(`${addressText(packet, isQuery)} ${clientPort} ${server} ${message.id}`, {
      start: momentOf(packet),
      endpoints: endpointsOf(packet, isQuery, this.ids),
      message,
      bytes: end - at,
      protocol: isLlmnr ? "llmnr" : "dns",
    });
  }

  /** Reads a TCP connection to port 53 or 5355, whose first packet this is. */
  connection(packet: CurrentPacket, isFromClient: boolean, now: () => Moment): DnsConnection {
    const endpoints = endpointsOf(packet, isFromClient, this.ids);
    return new DnsConnection(this, endpoints, now);
  }

  /** Takes a message of a connection. */
  takeOfConnection(
    endpoints: Endpoints,
    start: Moment,
    prefix: string,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): void {
    const message = decodeDns(bytes, at, end);
    if (message === undefined) this.malformed++;
    else this.#take(prefix + message.id, { start, endpoints, message, bytes: end - at, protocol: "dns" });
  }

  #take(key: string, half: DnsHalf): void {
    const { open } = this;
    const before = open.get(key);
    const isSame = before === undefined || isSameQuestion(before.message, half.message);
    if (half.message.type === "query") {
      if (!isSame) {
        open.take(key, half.start.ms);
        this.report(before, undefined, "the same id was used for another question");
      }
      this.ask(key, half);
    } else if (isSame) this.answer(key, half);
    // A forged answer, or a very late one, leaves the question open.
    else this.report(undefined, half, undefined);
  }

  protected override report(question: DnsHalf | undefined, answer: DnsHalf | undefined, why: string | undefined): void {
    const { protocol, endpoints } = (question ?? answer)!;
    const message = (answer ?? question)!.message;
    const asked = message.question ?? question?.message.question;
    const name = asked?.name;
    const code = answer?.message.response_code;
    const halves = paired(question, answer, why);
    give(this.sink(), {
      ...halves,
      isOk: halves.isOk && (code === "NOERROR" || code === "NXDOMAIN"),
      type: "dns",
      protocol,
      // Whoever answers a question to a group is the server.
      endpoints:
        answer === undefined || protocol === "dns" ? endpoints : { ...endpoints, server: answer.endpoints.server },
      method: message.op_code,
      query: asked === undefined ? undefined : `class ${asked.class}, type ${asked.type}, ${asked.name}`,
      resource: name,
      hosts: name === undefined ? undefined : [name],
      ips: message.resolved_ip,
      fields: { dns: { ...message, question: asked } },
    });
  }
}

/** Messages of DNS over TCP: 0 length | 2 message. */
class DnsConnection implements ConnectionReader {
  readonly #transactions: DnsTransactions;
  readonly #endpoints: Endpoints;
  readonly #now: () => Moment;
  readonly #prefix: string;
  readonly #held: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)];
  isDone = false;

  constructor(transactions: DnsTransactions, endpoints: Endpoints, now: () => Moment) {
    this.#transactions = transactions;
    this.#endpoints = endpoints;
    this.#now = now;
    const { client, server } = endpoints;
    this.#prefix = `tcp ${client.ip} ${client.port} ${server.ip} ${server.port} `;
  }

  data(side: Side, bytes: Uint8Array, at: number, end: number): void {
    let held = this.#held[side];
    held = held.length === 0 ? Buffer.from(bytes.subarray(at, end)) : Buffer.concat([held, bytes.subarray(at, end)]);
    let next = 0;
    while (held.length - next >= 2) {
      const size = u16(held, next);
      if (held.length - next < 2 + size) break;
      const from = next + 2;
      next = from + size;
      this.#transactions.takeOfConnection(this.#endpoints, this.#now(), this.#prefix, held, from, next);
    }
    this.#held[side] = held.subarray(next);
    if (this.#held[side].length > 2 + MAX_MESSAGE_BYTES) this.isDone = true;
  }

  gap(): void {
    // Where the next message begins is not known any more.
    this.isDone = true;
  }

  end(): void {
    // What is not whole is no message.
  }

  close(): void {
    this.#held[0] = this.#held[1] = Buffer.alloc(0);
  }
}

function isSameQuestion(one: DnsMessage, other: DnsMessage): boolean {
  const [a, b] = [one.question, other.question];
  // Errors may come without the question.
  if (a === undefined || b === undefined) return true;
  return a.type === b.type && a.class === b.class && a.name.toLowerCase() === b.name.toLowerCase();
}
