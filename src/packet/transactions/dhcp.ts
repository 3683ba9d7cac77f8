import { decodeDhcp, type DhcpMessage } from "../dhcp/message.ts";
import type { CurrentPacket } from "../streams/current-packet.ts";
import { give, UNANSWERED, UNASKED } from "./document.ts";
import { type Endpoints, endpointsOf, type Moment, momentOf } from "./endpoints.ts";
import { Exchange } from "./exchange.ts";

interface Question {
  readonly start: Moment;
  readonly endpoints: Endpoints;
  readonly message: DhcpMessage;
  readonly bytes: number;
}

interface Answer {
  readonly message: DhcpMessage;
  readonly bytes: number;
  readonly moment: Moment;
  readonly endpoints: Endpoints;
}

/** Messages of clients that no server answers (RFC 2131 section 3). */
const UNANSWERABLE: ReadonlySet<string> = new Set(["decline", "release"]);
/**
 * Pairs DHCP messages of a client and the servers' answers: discover and offer, request (or inform) and ack or nak, by
 * transaction id and hardware address. The first answer counts; further ones are only counted.
 */
export class DhcpTransactions extends Exchange<Question> {
  malformed = 0;

  protected override giveUp(question: Question, why: string): void {
    this.#give(question, undefined, why);
  }

  take(packet: CurrentPacket, at: number, end: number): void {
    const message = decodeDhcp(packet.bytes, at, end);
    if (message === undefined) {
      this.malformed++;
      return;
    }
    const isRequest = message.op_code === "bootrequest";
    const endpoints = endpointsOf(packet, isRequest, this.ids);
    const moment = momentOf(packet);
    const bytes = end - at;
    const type = message.option?.message_type ?? message.op_code;
    const who = `${message.transaction_id} ${message.client_mac ?? ""} `;
    if (!isRequest) {
      // With rapid commit a discover is answered by an ack (RFC 4039).
      const asked = type === "offer" ? ["discover"] : ["request", "inform", "bootrequest", "discover"];
      const key = asked.map((each) => who + each).find((each) => this.open.get(each) !== undefined);
      const question = key === undefined ? undefined : this.open.take(key, moment.ms);
      if (question === undefined && asked.some((each) => this.open.wasAnswered(who + each))) this.repeated++;
      else this.#give(question, { message, bytes, moment, endpoints }, undefined);
      return;
    }
    const question = { start: moment, endpoints, message, bytes };
    if (UNANSWERABLE.has(type)) this.#give(question, undefined, undefined);
    else if (this.open.get(who + type) !== undefined) this.repeated++;
    else this.open.add(who + type, question);
  }

  #give(question: Question | undefined, answer: Answer | undefined, why: string | undefined): void {
    const message = answer?.message ?? question!.message;
    const asked = question?.message;
    const endpoints = answer === undefined ? question!.endpoints : withClient(answer.endpoints, question?.endpoints);
    const answerType = answer?.message.option?.message_type;
    const isAnswered = question !== undefined && answer !== undefined;
    const isOneWay = answer === undefined && why === undefined;
    give(this.sink(), {
      type: "dhcpv4",
      protocol: "dhcp",
      endpoints,
      start: question?.start ?? answer!.moment,
      end: question === undefined ? undefined : answer?.moment,
      clientBytes: question?.bytes,
      serverBytes: answer?.bytes,
      isOk: isOneWay || (isAnswered && answerType !== "nak"),
      message: why ?? (question === undefined ? "no request was captured for this answer" : undefined),
      tags: isOneWay || isAnswered ? [] : [answer === undefined ? UNANSWERED : UNASKED],
      method: asked === undefined ? undefined : (asked.option?.message_type ?? asked.op_code),
      query: message.client_mac,
      resource: message.assigned_ip ?? message.option?.requested_ip_address ?? message.client_ip,
      hosts: asked?.option?.hostname === undefined ? undefined : [asked.option.hostname],
      ips: [message.assigned_ip, message.option?.requested_ip_address].filter((ip) => ip !== undefined),
      // What the client said stays visible where the server does not say the same.
      fields: { dhcpv4: { ...asked, ...definedOf(message), option: { ...asked?.option, ...message.option } } },
    });
  }
}

/** The server is whoever answered; the client is as it asked. */
function withClient(endpoints: Endpoints, asked: Endpoints | undefined): Endpoints {
  return asked === undefined ? endpoints : { ...asked, server: endpoints.server };
}

function definedOf(message: DhcpMessage): Partial<DhcpMessage> {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
}
