import { decodeNtp, NTP_CLIENT, NTP_ORIGIN_AT, NTP_SERVER, NTP_TRANSMIT_AT, type NtpMessage } from "../ntp/message.ts";
import { u32 } from "../headers/cursor.ts";
import type { CurrentPacket } from "../streams/current-packet.ts";
import { give, UNANSWERED, UNASKED } from "./document.ts";
import { addressText, type Endpoints, endpointsOf, type Moment, momentOf } from "./endpoints.ts";
import { Exchange } from "./exchange.ts";

interface Question {
  readonly start: Moment;
  readonly endpoints: Endpoints;
  readonly message: NtpMessage;
  readonly bytes: number;
}

/**
 * Pairs what NTP clients ask and servers answer: by addresses, and by the client's transmit time, which the server gives
 * back as the origin time.
 */
export class NtpTransactions extends Exchange<Question> {
  malformed = 0;

  protected override giveUp(question: Question, why: string): void {
    this.#give(question, undefined, why);
  }

  take(packet: CurrentPacket, at: number, end: number): void {
    const { bytes } = packet;
    const mode = end > at ? bytes[at]! & 7 : 0;
    if (mode !== NTP_CLIENT && mode !== NTP_SERVER) return;
    const message = decodeNtp(bytes, at, end);
    if (message === undefined) {
      this.malformed++;
      return;
    }
    const isRequest = mode === NTP_CLIENT;
    const cookieAt = at + (isRequest ? NTP_TRANSMIT_AT : NTP_ORIGIN_AT);
    const { columns, slot } = packet;
    const port = (isRequest ? columns.sourcePort : columns.destinationPort)[slot]!;
    const ends = `${addressText(packet, isRequest)} ${port} ${addressText(packet, !isRequest)}`;
    const key = `${ends} ${u32(bytes, cookieAt)} ${u32(bytes, cookieAt + 4)}`;
    const found = {
      start: momentOf(packet),
      endpoints: endpointsOf(packet, isRequest, this.ids),
      message,
      bytes: end - at,
    };
    if (!isRequest) {
      const question = this.open.take(key, found.start.ms);
      if (question === undefined && this.open.wasAnswered(key)) this.repeated++;
      else this.#give(question, found, undefined);
    } else if (this.open.get(key) !== undefined) this.repeated++;
    else this.open.add(key, found);
  }

  #give(question: Question | undefined, answer: Question | undefined, why: string | undefined): void {
    const { message, endpoints, start } = question ?? answer!;
    const shown = answer?.message ?? message;
    // RFC 5905 section 7.4: with stratum 0 a server says why it does not serve.
    const isRefused = answer?.message.stratum === 0;
    give(this.sink(), {
      type: "ntp",
      endpoints,
      start,
      end: question === undefined ? undefined : answer?.start,
      clientBytes: question?.bytes,
      serverBytes: answer?.bytes,
      isOk: question !== undefined && answer !== undefined && !isRefused,
      message:
        why ??
        (question === undefined
          ? "no request was captured for this answer"
          : isRefused
            ? `the server does not serve: ${shown.reference_id}`
            : undefined),
      tags: answer === undefined ? [UNANSWERED] : question === undefined ? [UNASKED] : [],
      method: "client",
      resource: endpoints.server.ip,
      fields: { ntp: shown },
    });
  }
}
