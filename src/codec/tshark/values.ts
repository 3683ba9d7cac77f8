/** An integer that tshark wrote in decimal or as `0x…`; undefined where it is none. */
export function intOf(text: string | undefined): number | undefined {
  return text !== undefined && /^(?:-?\d{1,15}|0x[0-9a-fA-F]{1,13})$/.test(text) ? Number(text) : undefined;
}

/** `00:1a:…` as ECS wants it: `00-1A-…`. Undefined for what is no MAC address. */
export function ecsMac(text: string | undefined): string | undefined {
  return text !== undefined && /^[0-9a-fA-F]{2}(?:[:.-][0-9a-fA-F]{2}){5}$/.test(text)
    ? text.replace(/[:.]/g, "-").toUpperCase()
    : undefined;
}

/**
 * The same object, or undefined when all of its members are. Single members may be undefined: objects of one kind then
 * have one shape, and are made at once (putting members in one by one took most of the time of a record).
 */
export function given(object: Record<string, unknown>): Record<string, unknown> | undefined {
  for (const key in object) if (object[key] !== undefined) return object;
  return undefined;
}

export function noneIsUndefined<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

/**
 * The time of a packet: milliseconds since the epoch, with microseconds, and ISO 8601 with all nine digits. tshark says
 * seconds since the epoch, from 4.2 on in some outputs ISO 8601.
 */
export function exactTime(text: string | undefined): { readonly ms: number; readonly iso: string } | undefined {
  if (text === undefined) return undefined;
  const epoch = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (epoch !== null) {
    const seconds = Number(epoch[1]);
    if (seconds >= 253_402_300_800) return undefined;
    return timeOf(seconds, (epoch[2] ?? "").padEnd(9, "0"));
  }
  const iso = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\d*(Z|[+-]\d\d:?\d\d)?$/.exec(text);
  if (iso === null) return undefined;
  const seconds = Date.parse(`${iso[1]}T${iso[2]}${iso[4] ?? "Z"}`) / 1000;
  return Number.isNaN(seconds) ? undefined : timeOf(seconds, (iso[3] ?? "").padEnd(9, "0"));
}

function timeOf(seconds: number, nanoseconds: string): { readonly ms: number; readonly iso: string } {
  const ms = seconds * 1000 + Math.floor(Number(nanoseconds) / 1000) / 1000;
  return { ms, iso: `${new Date(seconds * 1000).toISOString().slice(0, 20)}${nanoseconds}Z` };
}
