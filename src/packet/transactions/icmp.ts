import { u16 } from "../headers/cursor.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";
import { type CurrentPacket, momentOf } from "../streams/current-packet.ts";
import { formatIp4, formatIp6 } from "../address.ts";
import { give, paired } from "./document.ts";
import { addressText, endpointsOf } from "./endpoints.ts";
import { Exchange, type Message } from "./exchange.ts";

interface IcmpMessage extends Message {
  readonly version: 4 | 6;
  readonly type: number;
  readonly code: number;
  /** Of a question about a neighbour: its address. */
  readonly target: string | undefined;
}

const ROUTER_SOLICITATION = 133;
const NEIGHBOUR_SOLICITATION = 135;

/** What answers a question, by type. */
const ANSWERS_4: Readonly<Record<number, number>> = { 8: 0, 13: 14, 17: 18 };
const ANSWERS_6: Readonly<Record<number, number>> = { 128: 129, 133: 134, 135: 136 };
const MESSAGES_4: Readonly<Record<number, string>> = {
  ...{ 0: "EchoReply", 3: "DestinationUnreachable", 4: "SourceQuench", 5: "Redirect", 8: "EchoRequest" },
  ...{ 9: "RouterAdvertisement", 10: "RouterSolicitation", 11: "TimeExceeded", 12: "ParameterProblem" },
  ...{ 13: "TimestampRequest", 14: "TimestampReply", 17: "AddressMaskRequest", 18: "AddressMaskReply" },
};
const MESSAGES_6: Readonly<Record<number, string>> = {
  ...{ 1: "DestinationUnreachable", 2: "PacketTooBig", 3: "TimeExceeded", 4: "ParameterProblem", 128: "EchoRequest" },
  ...{ 129: "EchoReply", 133: "RouterSolicitation", 134: "RouterAdvertisement", 135: "NeighborSolicitation" },
  ...{ 136: "NeighborAdvertisement", 137: "Redirect" },
};

/**
 * Pairs what ICMP and ICMPv6 ask and answer: echoes by identifier and number, time stamps, masks, and neighbours and
 * routers (RFC 4861). An error that quotes a question answers it.
 */
export class IcmpTransactions extends Exchange<IcmpMessage> {
  /** Takes an ICMP packet whose first 8 bytes were captured; its message is `bytes[at…end)`. */
  take(packet: CurrentPacket, at: number, end: number): void {
    const { bytes, columns, slot } = packet;
    const version = columns.ipProtocol[slot] === PROTOCOL.icmp ? 4 : 6;
    const type = bytes[at]!;
    if ((version === 4 ? ANSWERS_4 : ANSWERS_6)[type] !== undefined) {
      // Whoever has no address yet asks whether another has the one it wants: no answer is the good case.
      if (type === NEIGHBOUR_SOLICITATION && version === 6 && addressText(packet, true) === "::") return;
      const key = keyOf(version, type, bytes, at, end, addressText(packet, true), addressText(packet, false));
      this.ask(key, this.#messageOf(packet, version, at, end, true));
      return;
    }
    const asked = questionOf(version, type);
    if (asked !== undefined) {
      const key = keyOf(version, asked, bytes, at, end, addressText(packet, false), addressText(packet, true));
      // Neighbours and routers also tell unasked.
      const isTold = asked === NEIGHBOUR_SOLICITATION || asked === ROUTER_SOLICITATION;
      if (version === 6 && isTold && this.open.get(key) === undefined) {
        if (this.open.wasAnswered(key)) this.repeated++;
      } else this.answer(key, this.#messageOf(packet, version, at, end, false));
      return;
    }
    const quoted = version === 4 ? quotedKey4(bytes, at + 8, end) : quotedKey6(bytes, at + 8, end);
    if (quoted === undefined || (version === 6 && type >= 128) || this.open.get(quoted) === undefined) return;
    this.answer(quoted, this.#messageOf(packet, version, at, end, false));
  }

  protected override report(
    question: IcmpMessage | undefined,
    answer: IcmpMessage | undefined,
    why: string | undefined,
  ): void {
    const { version, endpoints } = (question ?? answer)!;
    const request = question && nameOf(question);
    const response = answer && nameOf(answer);
    const isError = answer !== undefined && questionOf(version, answer.type) === undefined;
    give(this.sink(), {
      ...paired(question, answer, why ?? (isError ? response!.message : undefined)),
      type: "icmp",
      protocol: endpoints.transport ?? "icmp",
      endpoints,
      method: request?.message,
      resource: question?.target ?? endpoints.server.ip,
      fields: { path: endpoints.server.ip, icmp: { version, request, response } },
    });
  }

  #messageOf(packet: CurrentPacket, version: 4 | 6, at: number, end: number, isQuestion: boolean): IcmpMessage {
    const { bytes, columns, index } = packet;
    const type = bytes[at]!;
    return {
      start: momentOf(packet),
      endpoints: endpointsOf(packet, isQuestion, this.ids),
      bytes: columns.payloadOriginalLength[index]! + 8,
      version,
      type,
      code: bytes[at + 1]!,
      target: version === 6 && type === NEIGHBOUR_SOLICITATION ? targetText(bytes, at, end) : undefined,
    };
  }
}

function nameOf({ version, type, code }: IcmpMessage): { message: string; type: number; code: number } {
  const message = (version === 4 ? MESSAGES_4 : MESSAGES_6)[type] ?? `Type${type}`;
  return { message, type, code };
}

/** The type of question that a type answers. */
function questionOf(version: 4 | 6, type: number): number | undefined {
  const answers = version === 4 ? ANSWERS_4 : ANSWERS_6;
  const found = Object.keys(answers).find((asked) => answers[Number(asked)] === type);
  return found === undefined ? undefined : Number(found);
}

/** Equal for a question and its answer. Echoes and the like have an identifier and a number behind type, code, checksum. */
function keyOf(
  version: 4 | 6,
  asked: number,
  bytes: Uint8Array,
  at: number,
  end: number,
  client: string,
  server: string,
): string {
  // Neighbours are asked in groups, and answer by their own address; so do routers.
  if (version === 6 && asked === NEIGHBOUR_SOLICITATION) return `neighbour ${targetText(bytes, at, end) ?? ""}`;
  if (version === 6 && asked === ROUTER_SOLICITATION) return "router";
  return `${version} ${asked} ${client} ${server} ${u16(bytes, at + 4)} ${u16(bytes, at + 6)}`;
}

/** RFC 4861 section 4.3: 8 target address. */
function targetText(bytes: Uint8Array, at: number, end: number): string | undefined {
  return end - at < 24 ? undefined : formatIp6(bytes, at + 8);
}

/** The key of the echo that an error quotes, an IPv4 packet at `at`. */
function quotedKey4(bytes: Uint8Array, at: number, end: number): string | undefined {
  if (end - at < 28 || bytes[at]! >> 4 !== 4 || bytes[at + 9] !== PROTOCOL.icmp) return undefined;
  const messageAt = at + ((bytes[at]! & 15) << 2);
  if (end - messageAt < 8 || ANSWERS_4[bytes[messageAt]!] === undefined) return undefined;
  return keyOf(4, bytes[messageAt]!, bytes, messageAt, end, formatIp4(bytes, at + 12), formatIp4(bytes, at + 16));
}

function quotedKey6(bytes: Uint8Array, at: number, end: number): string | undefined {
  if (end - at < 48 || bytes[at]! >> 4 !== 6 || bytes[at + 6] !== PROTOCOL.icmp6) return undefined;
  const messageAt = at + 40;
  if (ANSWERS_6[bytes[messageAt]!] === undefined) return undefined;
  return keyOf(6, bytes[messageAt]!, bytes, messageAt, end, formatIp6(bytes, at + 8), formatIp6(bytes, at + 24));
}
