import { decodeDns, type DnsMessage } from "../dns/message.ts";
import { u16 } from "../headers/cursor.ts";
import type { CurrentPacket } from "../streams/current-packet.ts";
import type { ConnectionReader, Side } from "../streams/tcp-streams.ts";
import { give, UNANSWERED, UNASKED } from "./document.ts";
import { addressText, type Endpoints, endpointsOf, type Moment, momentOf } from "./endpoints.ts";
import { Exchange } from "./exchange.ts";

interface Question {
  readonly start: Moment;
  readonly endpoints: Endpoints;
  readonly message: DnsMessage;
  readonly bytes: number;
  readonly protocol: string;
}

const LLMNR_PORT = 5355;
/** Behind the 2 bytes of length over TCP (RFC 1035 section 4.2.2). */
const MAX_MESSAGE_BYTES = 65_535;

/**
 * Pairs questions and answers of DNS, over UDP and TCP, and of LLMNR (answered by others than the group that was asked).
 * A question asked again before it was answered is one question, which began the first time.
 */
export class DnsTransactions extends Exchange<Question> {
  malformed = 0;

  protected override giveUp(question: Question, why: string): void {
    this.#give(question, undefined, undefined, why);
  }

  /** Takes a UDP packet from or to port 53 or 5355 with its payload `bytes[at…end)`. */
  take(packet: CurrentPacket, at: number, end: number): void {
    const { columns, slot, bytes } = packet;
    const isLlmnr = columns.sourcePort[slot] === LLMNR_PORT || columns.destinationPort[slot] === LLMNR_PORT;
    const message = decodeDns(bytes, at, end);
    if (message === undefined) {
      this.malformed++;
      return;
    }
    const isQuery = message.type === "query";
    const clientPort = (isQuery ? columns.sourcePort : columns.destinationPort)[slot]!;
    const client = addressText(packet, isQuery);
    const server = isLlmnr ? "llmnr" : addressText(packet, !isQuery);
    const key = `${client} ${clientPort} ${server} ${message.id}`;
    this.#message(packet, message, end - at, key, isLlmnr ? "llmnr" : "dns");
  }

  /** Reads a TCP connection to port 53 or 5355, whose first packet this is. */
  connection(packet: CurrentPacket, isFromClient: boolean): DnsConnection {
    const endpoints = endpointsOf(packet, isFromClient, this.ids);
    return new DnsConnection(this, endpoints, () => momentOf(packet));
  }

  /** Takes a message of a connection. */
  takeOfConnection(
    endpoints: Endpoints,
    moment: Moment,
    prefix: string,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): void {
    const message = decodeDns(bytes, at, end);
    if (message === undefined) this.malformed++;
    else this.#take(endpoints, moment, message, end - at, `${prefix}${message.id}`, "dns");
  }

  #message(packet: CurrentPacket, message: DnsMessage, bytes: number, key: string, protocol: string): void {
    const endpoints = endpointsOf(packet, message.type === "query", this.ids);
    this.#take(endpoints, momentOf(packet), message, bytes, key, protocol);
  }

  #take(endpoints: Endpoints, now: Moment, message: DnsMessage, bytes: number, key: string, protocol: string): void {
    const { open } = this;
    if (message.type === "query") {
      const before = open.get(key);
      if (before !== undefined && isSameQuestion(before.message, message)) {
        this.repeated++;
        return;
      }
      if (before !== undefined) {
        open.take(key, now.ms);
        this.#give(before, undefined, undefined, "the same id was used for another question");
      }
      open.add(key, { start: now, endpoints, message, bytes, protocol });
      return;
    }
    const question = open.get(key);
    if (question !== undefined && isSameQuestion(question.message, message)) {
      open.take(key, now.ms);
      this.#give(question, { message, bytes, end: now, server: endpoints.server }, undefined, undefined);
    } else if (question === undefined && open.wasAnswered(key)) this.repeated++;
    else this.#give(undefined, { message, bytes, end: now, server: endpoints.server }, endpoints, undefined, protocol);
  }

  #give(
    question: Question | undefined,
    answer:
      | {
          readonly message: DnsMessage;
          readonly bytes: number;
          readonly end: Moment;
          readonly server: Endpoints["server"];
        }
      | undefined,
    answerEndpoints: Endpoints | undefined,
    why: string | undefined,
    protocol = question?.protocol ?? "dns",
  ): void {
    const message = answer?.message ?? question!.message;
    const asked = message.question ?? question?.message.question;
    const name = asked?.name;
    const code = answer?.message.response_code;
    const endpoints = question?.endpoints ?? answerEndpoints!;
    give(this.sink(), {
      type: "dns",
      protocol,
      // Whoever answers a question to a group is the server.
      endpoints: answer === undefined || protocol === "dns" ? endpoints : { ...endpoints, server: answer.server },
      start: question?.start ?? answer!.end,
      end: question === undefined ? undefined : answer?.end,
      clientBytes: question?.bytes,
      serverBytes: answer?.bytes,
      isOk: question !== undefined && answer !== undefined && (code === "NOERROR" || code === "NXDOMAIN"),
      message: why ?? (question === undefined ? "no request was captured for this answer" : undefined),
      tags: answer === undefined ? [UNANSWERED] : question === undefined ? [UNASKED] : [],
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
