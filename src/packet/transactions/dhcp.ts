import { decodeDhcp, type DhcpMessage } from "../dhcp/message.ts";
import { type CurrentPacket, momentOf } from "../streams/current-packet.ts";
import { give, paired, type Transaction } from "./document.ts";
import { type Endpoints, endpointsOf } from "./endpoints.ts";
import { Exchange, type Message } from "./exchange.ts";

interface DhcpHalf extends Message {
  readonly message: DhcpMessage;
}

/** What follows from the halves that are there. */
type Found = Pick<Transaction, "start" | "isOk">;

/** Messages of clients that no server answers (RFC 2131 section 3). */
const UNANSWERABLE: ReadonlySet<string> = new Set(["decline", "release"]);

/**
 * Pairs DHCP messages of a client and the servers' answers: discover and offer, request (or inform) and ack or nak, by
 * transaction id and hardware address. The first answer counts; further ones are only counted.
 */
export class DhcpTransactions extends Exchange<DhcpHalf> {
  take(packet: CurrentPacket, at: number, end: number): void {
    const message = decodeDhcp(packet.bytes, at, end);
    if (message === undefined) {
      this.malformed++;
      return;
    }
    const isRequest = message.op_code === "bootrequest";
    const found = {
      start: momentOf(packet),
      endpoints: endpointsOf(packet, isRequest, this.ids),
      message,
      bytes: end - at,
    };
    const type = message.option?.message_type ?? message.op_code;
    const who = `${message.transaction_id} ${message.client_mac ?? ""} `;
    if (!isRequest) {
      // With rapid commit a discover is answered by an ack (RFC 4039).
      const asked = type === "offer" ? ["discover"] : ["request", "inform", "bootrequest", "discover"];
      const keys = asked.map((each) => who + each);
      const isKnown = (key: string): boolean => this.open.get(key) !== undefined || this.open.wasAnswered(key);
      this.answer(keys.find(isKnown) ?? keys[0]!, found);
    } else if (UNANSWERABLE.has(type)) this.#give(found, undefined, { start: found.start, isOk: true });
    else this.ask(who + type, found);
  }

  protected override report(
    question: DhcpHalf | undefined,
    answer: DhcpHalf | undefined,
    why: string | undefined,
  ): void {
    const reply = answer?.message.option;
    const refusal = reply?.message_type === "nak" ? (reply.message ?? "the server does not allow it") : undefined;
    this.#give(question, answer, paired(question, answer, why ?? refusal));
  }

  #give(question: DhcpHalf | undefined, answer: DhcpHalf | undefined, found: Found): void {
    const asked = question?.message;
    const message = answer?.message ?? asked!;
    give(this.sink(), {
      clientBytes: question?.bytes,
      ...found,
      type: "dhcpv4",
      protocol: "dhcp",
      endpoints: answer === undefined ? question!.endpoints : withClient(answer.endpoints, question?.endpoints),
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
