import { u16 } from "../headers/cursor.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";
import type { CurrentPacket } from "../streams/current-packet.ts";
import { formatIp4, formatIp6 } from "../address.ts";
import { give, UNANSWERED, UNASKED } from "./document.ts";
import { addressText, type Endpoints, endpointsOf, type Moment, momentOf } from "./endpoints.ts";
import { Exchange } from "./exchange.ts";

interface Question {
  readonly start: Moment;
  readonly endpoints: Endpoints;
  readonly version: 4 | 6;
  readonly type: number;
  readonly code: number;
  readonly target: string | undefined;
  readonly bytes: number;
}

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
export class IcmpTransactions extends Exchange<Question> {
  protected override giveUp(question: Question, why: string): void {
    this.#give(question, undefined, why);
  }

  /** Takes an ICMP packet whose first 8 bytes were captured; its message is `bytes[at…end)`. */
  take(packet: CurrentPacket, at: number, end: number): void {
    const { bytes, columns, slot } = packet;
    const version = columns.ipProtocol[slot] === PROTOCOL.icmp ? 4 : 6;
    const type = bytes[at]!;
    const code = bytes[at + 1]!;
    const answer = (version === 4 ? ANSWERS_4 : ANSWERS_6)[type];
    const size = columns.payloadOriginalLength[packet.index]! + 8;
    if (answer !== undefined) {
      // Whoever has no address yet asks whether another has the one it wants: no answer is the good case.
      if (type === 135 && addressText(packet, true) === "::") return;
      const target = type === 135 ? targetText(bytes, at, end) : undefined;
      const endpoints = endpointsOf(packet, true, this.ids);
      const key = keyOf(version, type, bytes, at, end, addressText(packet, true), addressText(packet, false));
      if (this.open.get(key) !== undefined) this.repeated++;
      else this.open.add(key, { start: momentOf(packet), endpoints, version, type, code, target, bytes: size });
      return;
    }
    const asked = questionOf(version, type);
    if (asked !== undefined) {
      const key = keyOf(version, asked, bytes, at, end, addressText(packet, false), addressText(packet, true));
      const question = this.open.take(key, packet.timeMs);
      if (question === undefined && this.open.wasAnswered(key)) {
        this.repeated++;
        return;
      }
      // Neighbours and routers also tell unasked.
      if (question !== undefined || version === 4 || type === 129)
        this.#answer(packet, question, version, type, code, size);
      return;
    }
    const quoted = version === 4 ? quotedKey4(bytes, at + 8, end) : quotedKey6(bytes, at + 8, end);
    const question =
      quoted === undefined || (version === 6 && type >= 128) ? undefined : this.open.take(quoted, packet.timeMs);
    if (question !== undefined) this.#answer(packet, question, version, type, code, size);
  }

  #answer(
    packet: CurrentPacket,
    question: Question | undefined,
    version: 4 | 6,
    type: number,
    code: number,
    bytes: number,
  ): void {
    const endpoints = question?.endpoints ?? endpointsOf(packet, false, this.ids);
    this.#give(question, { version, type, code, bytes, endpoints, end: momentOf(packet) }, undefined);
  }

  #give(
    question: Question | undefined,
    answer:
      | {
          readonly version: 4 | 6;
          readonly type: number;
          readonly code: number;
          readonly bytes: number;
          readonly endpoints: Endpoints;
          readonly end: Moment;
        }
      | undefined,
    why: string | undefined,
  ): void {
    const version = question?.version ?? answer!.version;
    const isError = answer !== undefined && questionOf(version, answer.type) === undefined;
    const request = question === undefined ? undefined : messageOf(version, question.type, question.code);
    const response = answer === undefined ? undefined : messageOf(version, answer.type, answer.code);
    const endpoints = question?.endpoints ?? answer!.endpoints;
    give(this.sink(), {
      type: "icmp",
      protocol: endpoints.transport ?? "icmp",
      endpoints,
      start: question?.start ?? answer!.end,
      end: question === undefined ? undefined : answer?.end,
      clientBytes: question?.bytes,
      serverBytes: answer?.bytes,
      isOk: question !== undefined && answer !== undefined && !isError,
      message:
        why ??
        (isError ? response!.message : question === undefined ? "no request was captured for this answer" : undefined),
      tags: answer === undefined ? [UNANSWERED] : question === undefined ? [UNASKED] : [],
      method: request?.message,
      resource: question?.target ?? endpoints.server.ip,
      fields: { path: endpoints.server.ip, icmp: { version, request, response } },
    });
  }
}

function messageOf(version: 4 | 6, type: number, code: number): { message: string; type: number; code: number } {
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
  if (version === 6 && asked === 135) return `neighbour ${targetText(bytes, at, end) ?? ""}`;
  if (version === 6 && asked === 133) return "router";
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
