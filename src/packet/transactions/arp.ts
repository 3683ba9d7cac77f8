import { formatIp4, formatMac } from "../address.ts";
import { u16, u32 } from "../headers/cursor.ts";
import { type CurrentPacket, momentOf } from "../streams/current-packet.ts";
import { give, paired, type Transaction } from "./document.ts";
import { type Endpoints, endpointsOf } from "./endpoints.ts";
import { Exchange, type Message } from "./exchange.ts";

interface Side {
  readonly hw_mac: string;
  readonly proto_ipv4: string;
}

interface ArpMessage extends Message {
  readonly src: Side;
  readonly dst: Side;
}

const REQUEST = 1;
const REPLY = 2;

/** Pairs ARP's questions and answers. Who tells its own address unasked announces it. */
export class ArpTransactions extends Exchange<ArpMessage> {
  /** RFC 826 for Ethernet and IPv4: 6 operation | 8 sender | 18 target; each 6 bytes of hardware address and 4 of IP. */
  take(packet: CurrentPacket, at: number): void {
    const { bytes } = packet;
    if (bytes[at + 4] !== 6 || bytes[at + 5] !== 4 || u16(bytes, at + 2) !== 0x0800) return;
    const operation = u16(bytes, at + 6);
    if (operation !== REQUEST && operation !== REPLY) return;
    const src = sideOf(bytes, at + 8);
    const dst = sideOf(bytes, at + 18);
    const isAnnouncement = u32(bytes, at + 14) === u32(bytes, at + 24);
    const endpoints = endpointsOf(packet, isAnnouncement || operation === REQUEST, this.ids);
    const message = { start: momentOf(packet), endpoints, src, dst };
    if (isAnnouncement) this.#announce(message);
    else if (operation === REQUEST) this.ask(`${src.proto_ipv4} ${dst.proto_ipv4}`, message);
    else this.answer(`${dst.proto_ipv4} ${src.proto_ipv4}`, message);
  }

  protected override report(
    question: ArpMessage | undefined,
    answer: ArpMessage | undefined,
    why: string | undefined,
  ): void {
    // As the answer has it turned round: whoever asked is the source.
    const [src, dst] = answer === undefined ? [question!.src, question!.dst] : [answer.dst, answer.src];
    const endpoints = (question ?? answer)!.endpoints;
    this.#give({ ...endpoints, server: { ...endpoints.server, ...answer?.endpoints.server } }, src, dst, {
      ...paired(question, answer, why),
      method: "request",
      query: `who has ${dst.proto_ipv4}?`,
    });
  }

  #announce({ endpoints, src, dst, start }: ArpMessage): void {
    const query = `${src.proto_ipv4} is at ${src.hw_mac}`;
    this.#give(endpoints, src, dst, { start, isOk: true, method: "announce", query });
  }

  #give(
    endpoints: Endpoints,
    src: Side,
    dst: Side,
    found: Omit<Transaction, "type" | "endpoints" | "resource" | "fields">,
  ): void {
    give(this.sink(), {
      ...found,
      type: "arp",
      endpoints: {
        ...endpoints,
        client: { ...endpoints.client, ip: src.proto_ipv4 },
        server: { ...endpoints.server, ip: dst.proto_ipv4 },
        type: "arp",
      },
      resource: dst.proto_ipv4,
      fields: { arp: { opcode: REQUEST, src, dst } },
    });
  }
}

function sideOf(bytes: Uint8Array, at: number): Side {
  return { hw_mac: formatMac(bytes, at), proto_ipv4: formatIp4(bytes, at + 6) };
}
