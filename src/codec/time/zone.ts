import { WiretailError } from "../../core/error.ts";

/**
 * Turns wall-clock times into UTC. All values are milliseconds since the epoch; a "local" value is the wall clock's
 * reading taken as if it were UTC.
 *
 * Around a change of offset: a reading that occurs twice (clocks set back) is the first occurrence; a reading that
 * occurs never (clocks set forward) is taken with the offset before the change, so it lands after the gap. This is
 * `disambiguation: "compatible"` of the ECMAScript Temporal proposal and what RFC 5545 prescribes.
 */
export interface Zone {
  toUtcMs(localMs: number): number;
  toLocalMs(utcMs: number): number;
}

const DAY_MS = 86_400_000;
/** Offsets change only at multiples of this (true of all zones since 1970). */
const BUCKET_MS = 900_000;
const MAX_BUCKETS = 8192;

export const UTC: Zone = { toUtcMs: (ms) => ms, toLocalMs: (ms) => ms };

/**
 * The zone of an IANA name (`Europe/Madrid`), a fixed offset (`+02:00`), `UTC`, or `local` for the host's own zone.
 * Throws WT_FORMAT_INVALID for anything else.
 */
export function compileZone(name: string | undefined): Zone {
  if (name === undefined || name === "UTC" || name === "Z") return UTC;
  const fixed = /^([+-])(\d{2}):?(\d{2})$/.exec(name);
  if (fixed !== null)
    return fixedZone((fixed[1] === "-" ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000);
  const timeZone = name === "local" ? Intl.DateTimeFormat().resolvedOptions().timeZone : name;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  } catch {
    throw new WiretailError("WT_FORMAT_INVALID", `unknown time zone "${name}"`, {
      hint: 'Use an IANA name such as "Europe/Madrid", an offset such as "+02:00", "UTC", or "local".',
    });
  }
  return new IanaZone(format);
}

function fixedZone(offsetMs: number): Zone {
  return { toUtcMs: (ms) => ms - offsetMs, toLocalMs: (ms) => ms + offsetMs };
}

class IanaZone implements Zone {
  readonly #format: Intl.DateTimeFormat;
  readonly #offsets = new Map<number, number>();

  constructor(format: Intl.DateTimeFormat) {
    this.#format = format;
  }

  toUtcMs(localMs: number): number {
    const before = this.#offsetAt(localMs - DAY_MS);
    const after = this.#offsetAt(localMs + DAY_MS);
    const early = localMs - before;
    if (before === after || this.#offsetAt(early) === before) return early;
    const late = localMs - after;
    return this.#offsetAt(late) === after ? late : early;
  }

  toLocalMs(utcMs: number): number {
    return utcMs + this.#offsetAt(utcMs);
  }

  #offsetAt(utcMs: number): number {
    const bucket = Math.floor(utcMs / BUCKET_MS);
    let offset = this.#offsets.get(bucket);
    if (offset === undefined) {
      if (this.#offsets.size >= MAX_BUCKETS) this.#offsets.clear();
      offset = this.#ask(bucket * BUCKET_MS);
      this.#offsets.set(bucket, offset);
    }
    return offset;
  }

  #ask(utcMs: number): number {
    const text = this.#format.formatToParts(utcMs).find((part) => part.type === "timeZoneName")?.value ?? "GMT";
    const m = /^GMT([+-])(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text);
    if (m === null) return 0;
    const ms = ((Number(m[2]) * 60 + Number(m[3])) * 60 + Number(m[4] ?? 0)) * 1000;
    return m[1] === "-" ? -ms : ms;
  }
}

/** Abbreviations with one meaning in practice, in minutes east of UTC. CST, IST, BST and AST have several and are left out. */
export const ZONE_ABBREVIATIONS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    Z: 0,
    UTC: 0,
    GMT: 0,
    UT: 0,
    WET: 0,
    WEST: 60,
    CET: 60,
    CEST: 120,
    MET: 60,
    MEST: 120,
    EET: 120,
    EEST: 180,
    MSK: 180,
    SAST: 120,
    PKT: 300,
    SGT: 480,
    HKT: 480,
    AWST: 480,
    JST: 540,
    KST: 540,
    ACST: 570,
    ACDT: 630,
    AEST: 600,
    AEDT: 660,
    NZST: 720,
    NZDT: 780,
    EST: -300,
    EDT: -240,
    MST: -420,
    MDT: -360,
    PST: -480,
    PDT: -420,
    AKST: -540,
    AKDT: -480,
    HST: -600,
  }),
);
