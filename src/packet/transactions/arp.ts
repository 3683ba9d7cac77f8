import { formatIp4, formatMac } from "../address.ts";
import { u16, u32 } from "../headers/cursor.ts";
import type { CurrentPacket } from "../streams/current-packet.ts";
import { give, UNANSWERED, UNASKED } from "./document.ts";
import { type Endpoints, endpointsOf, type Moment, momentOf } from "./endpoints.ts";
import { Exchange } from "./exchange.ts";

interface Side {
  readonly hw_mac: string;
  readonly proto_ipv4: string;
}

interface Question {
  readonly start: Moment;
  readonly endpoints: Endpoints;
  readonly src: Side;
  readonly dst: Side;
}

const REQUEST = 1;
const REPLY = 2;

/** Pairs ARP's questions and answers. Who tells its own address unasked announces it. */
export class ArpTransactions extends Exchange<Question> {
  protected override giveUp(question: Question, why: string): void {
    this.#give("request", question, question, undefined, why);
  }

  /** RFC 826 for Ethernet and IPv4: 6 operation | 8 sender | 18 target; each 6 bytes of hardware address and 4 of IP. */
  take(packet: CurrentPacket, at: number): void {
    const { bytes } = packet;
    if (bytes[at + 4] !== 6 || bytes[at + 5] !== 4 || u16(bytes, at + 2) !== 0x0800) return;
    const operation = u16(bytes, at + 6);
    if (operation !== REQUEST && operation !== REPLY) return;
    const src = sideOf(bytes, at + 8);
    const dst = sideOf(bytes, at + 18);
    const endpoints = endpointsOf(packet, operation === REQUEST, this.ids);
    const now = { start: momentOf(packet), endpoints, src, dst };
    if (u32(bytes, at + 14) === u32(bytes, at + 24)) {
      this.#give("announce", { ...now, endpoints: endpointsOf(packet, true, this.ids) }, now, undefined, undefined);
    } else if (operation === REQUEST) {
      const key = `${src.proto_ipv4} ${dst.proto_ipv4}`;
      if (this.open.get(key) !== undefined) this.repeated++;
      else this.open.add(key, now);
    } else {
      const key = `${dst.proto_ipv4} ${src.proto_ipv4}`;
      const question = this.open.take(key, now.start.ms);
      if (question === undefined && this.open.wasAnswered(key)) this.repeated++;
      else this.#give("request", question, now, now, undefined);
    }
  }

  #give(
    method: "request" | "announce",
    question: Question | undefined,
    shown: Question,
    answer: Question | undefined,
    why: string | undefined,
  ): void {
    // As the answer has it turned round: whoever asked is the source.
    const [src, dst] = answer === undefined ? [shown.src, shown.dst] : [shown.dst, shown.src];
    const isAnnouncement = method === "announce";
    const endpoints = question?.endpoints ?? shown.endpoints;
    give(this.sink(), {
      type: "arp",
      endpoints: {
        ...endpoints,
        client: { ...endpoints.client, ip: src.proto_ipv4 },
        server: { ...endpoints.server, ...answer?.endpoints.server, ip: dst.proto_ipv4 },
        type: "arp",
      },
      start: question?.start ?? shown.start,
      end: question === undefined ? undefined : answer?.start,
      isOk: isAnnouncement || (question !== undefined && answer !== undefined),
      message: why ?? (question === undefined ? "no request was captured for this answer" : undefined),
      tags: isAnnouncement ? [] : answer === undefined ? [UNANSWERED] : question === undefined ? [UNASKED] : [],
      method,
      query: isAnnouncement ? `${src.proto_ipv4} is at ${src.hw_mac}` : `who has ${dst.proto_ipv4}?`,
      resource: dst.proto_ipv4,
      fields: { arp: { opcode: REQUEST, src, dst } },
    });
  }
}

function sideOf(bytes: Uint8Array, at: number): Side {
  return { hw_mac: formatMac(bytes, at), proto_ipv4: formatIp4(bytes, at + 6) };
}
