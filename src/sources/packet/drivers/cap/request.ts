/** What the process that captures is told, as JSON in its first argument. */
export interface CapRequest {
  readonly interfaceName: string;
  readonly snapLength: number;
  readonly bufferBytes: number;
  /** Empty: all packets. */
  readonly filter: string;
}

/** The number of a link type by the name that cap gives it (tcpdump.org/linktypes.html). */
export function linkTypeOf(name: string): number {
  const known = LINK_TYPES[name];
  if (known !== undefined) return known;
  return Number(/^Unknown linktype (\d+)$/.exec(name)?.[1] ?? NaN);
}

const LINK_TYPES: Readonly<Record<string, number>> = {
  NULL: 0,
  ETHERNET: 1,
  RAW: 101,
  LINKTYPE_LINUX_SLL: 113,
  IEEE802_11_RADIO: 127,
};
