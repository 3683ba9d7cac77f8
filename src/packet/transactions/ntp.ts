import { decodeNtp, NTP_CLIENT, NTP_ORIGIN_AT, NTP_SERVER, NTP_TRANSMIT_AT, type NtpMessage } from "../ntp/message.ts";
import { u32 } from "../headers/cursor.ts";
import { type CurrentPacket, momentOf } from "../streams/current-packet.ts";
import { give, paired } from "./document.ts";
import { addressText, endpointsOf } from "./endpoints.ts";
import { Exchange, type Message } from "./exchange.ts";

interface NtpHalf extends Message {
  readonly message: NtpMessage;
}

/**
 * Pairs what NTP clients ask and servers answer: by addresses, and by the client's transmit time, which the server gives
 * back as the origin time.
 */
export class NtpTransactions extends Exchange<NtpHalf> {
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
    if (isRequest) this.ask(key, found);
    else this.answer(key, found);
  }

  protected override report(question: NtpHalf | undefined, answer: NtpHalf | undefined, why: string | undefined): void {
    const { message, endpoints } = (question ?? answer)!;
    const shown = answer?.message ?? message;
    // RFC 5905 section 7.4: with stratum 0 a server says why it does not serve.
    const refusal = answer?.message.stratum === 0 ? `the server does not serve: ${shown.reference_id}` : undefined;
    give(this.sink(), {
      ...paired(question, answer, why ?? refusal),
      type: "ntp",
      endpoints,
      method: "client",
      resource: endpoints.server.ip,
      fields: { ntp: shown },
    });
  }
}
