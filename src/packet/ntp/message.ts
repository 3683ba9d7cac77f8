import { formatIp4 } from "../address.ts";
import type { FieldSpans } from "../field-spans.ts";
import { u32 } from "../headers/cursor.ts";
import { formatIsoTime } from "../../core/time.ts";

/** An NTP message (RFC 5905) with its times as text; a time of 0 is not known. */
export interface NtpMessage {
  readonly leap: number;
  readonly version: number;
  readonly mode: string;
  readonly stratum: number;
  /** Seconds between messages, as a power of 2; precision of the clock likewise. */
  readonly poll: number;
  readonly precision: number;
  /** Seconds. */
  readonly root_delay: number;
  readonly root_dispersion: number;
  /** Where the server has its time from: an address (stratum 2 and above, IPv4), or a name such as `GPS`, or `kiss` codes. */
  readonly reference_id: string;
  readonly reference_time: string | undefined;
  readonly origin_time: string | undefined;
  readonly receive_time: string | undefined;
  readonly transmit_time: string | undefined;
}

export const NTP_CLIENT = 3;
export const NTP_SERVER = 4;
export const NTP_BYTES = 48;
/** Offsets of the 8-byte times. */
export const NTP_ORIGIN_AT = 24;
export const NTP_TRANSMIT_AT = 40;

const FIELDS = [
  ["ntp.flags", 0, 1],
  ["ntp.stratum", 1, 1],
  ["ntp.ppoll", 2, 1],
  ["ntp.precision", 3, 1],
  ["ntp.rootdelay", 4, 4],
  ["ntp.rootdispersion", 8, 4],
  ["ntp.refid", 12, 4],
  ["ntp.reftime", 16, 8],
  ["ntp.org", 24, 8],
  ["ntp.rec", 32, 8],
  ["ntp.xmt", 40, 8],
] as const;

const MODES = ["reserved", "symmetric_active", "symmetric_passive", "client", "server", "broadcast"] as const;
/** Seconds from 1900, where NTP's eras begin, to 1970. */
const EPOCH_SECONDS = 2_208_988_800;
const ERA_SECONDS = 2 ** 32;

/**
 * Decodes the message in `bytes[at…end)`: 0 leap 2 bits, version 3 bits, mode 3 bits | 1 stratum | 2 poll | 3 precision |
 * 4 root delay | 8 root dispersion | 12 reference id | 16, 24, 32, 40 times of 64 bits. Undefined: it is too short, of a
 * version that never was, or a control message (modes 6 and 7), which looks otherwise. `spans` notes where the fields lie.
 */
export function decodeNtp(bytes: Uint8Array, at: number, end: number, spans?: FieldSpans): NtpMessage | undefined {
  if (end - at < NTP_BYTES) return undefined;
  const first = bytes[at]!;
  const version = (first >> 3) & 7;
  const mode = MODES[first & 7];
  if (mode === undefined || version < 1 || version > 4) return undefined;
  if (spans !== undefined) for (const [name, offset, length] of FIELDS) spans.add(name, at + offset, length);
  const stratum = bytes[at + 1]!;
  return {
    leap: first >> 6,
    version,
    mode,
    stratum,
    poll: (bytes[at + 2]! << 24) >> 24,
    precision: (bytes[at + 3]! << 24) >> 24,
    root_delay: (u32(bytes, at + 4) | 0) / 65_536,
    root_dispersion: u32(bytes, at + 8) / 65_536,
    reference_id: referenceId(bytes, at + 12, stratum),
    reference_time: timeText(bytes, at + 16),
    origin_time: timeText(bytes, at + NTP_ORIGIN_AT),
    receive_time: timeText(bytes, at + 32),
    transmit_time: timeText(bytes, at + NTP_TRANSMIT_AT),
  };
}

/** RFC 5905 section 7.3: four characters up to stratum 1, an address (for IPv6 part of its MD5) from 2 on. */
function referenceId(bytes: Uint8Array, at: number, stratum: number): string {
  if (stratum >= 2) return formatIp4(bytes, at);
  let text = "";
  for (let i = at; i < at + 4 && bytes[i] !== 0; i++) {
    const byte = bytes[i]!;
    if (byte < 0x21 || byte > 0x7e) return `0x${u32(bytes, at).toString(16).padStart(8, "0")}`;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** To the microsecond. Times before 1968 are of the era that begins in 2036 (RFC 4330 section 3). */
function timeText(bytes: Uint8Array, at: number): string | undefined {
  const seconds = u32(bytes, at);
  const fraction = u32(bytes, at + 4);
  if (seconds === 0 && fraction === 0) return undefined;
  const unix = seconds - EPOCH_SECONDS + (seconds < 0x8000_0000 ? ERA_SECONDS : 0);
  return formatIsoTime(unix * 1000 + Math.floor((fraction / ERA_SECONDS) * 1e6) / 1000);
}
