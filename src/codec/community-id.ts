import { hash } from "node:crypto";

const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmp6: 58, sctp: 132 } as const;

/** The message that answers an ICMP one, by type: the specification's table. Others go one way. */
const ICMP_ANSWERS: Readonly<Record<number, number>> = {
  ...{ 8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 10: 9, 9: 10, 17: 18, 18: 17 },
};
const ICMP6_ANSWERS: Readonly<Record<number, number>> = {
  ...{ 128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130, 139: 140, 140: 139 },
  ...{ 144: 145, 145: 144 },
};

/**
 * Community ID, version 1 (github.com/corelight/community-id-spec): equal for both directions of a conversation, and
 * equal in all programs that know it. Keeps the ids of some conversations, so make one a decoder.
 */
export class CommunityIds {
  readonly #seed: number;
  /** Seed, addresses, protocol, zero, ports: what is hashed. IPv6 needs all of it. */
  readonly #input = Buffer.alloc(2 + 32 + 2 + 4);
  readonly #known = new Map<string, string>();

  readonly #maxKnown: number;

  /** `seed`: 0 to 65535; 0 is what everybody uses. `maxKnown`: ids that are kept, at most; 0 where each is asked for once. */
  constructor(seed = 0, maxKnown = MAX_KNOWN) {
    this.#seed = seed;
    this.#maxKnown = maxKnown;
  }

  /**
   * The id of a conversation. Addresses: 4 or 16 bytes each. Ports: of TCP, UDP and SCTP; of ICMP the type and the code;
   * undefined where there are none.
   */
  ofTuple(
    protocol: number,
    source: Uint8Array,
    destination: Uint8Array,
    sourcePort: number | undefined,
    destinationPort: number | undefined,
  ): string {
    let [portA, portB] = hasPorts(protocol) ? [sourcePort, destinationPort] : [undefined, undefined];
    let isOneWay = false;
    const answers = protocol === PROTOCOL.icmp ? ICMP_ANSWERS : protocol === PROTOCOL.icmp6 ? ICMP6_ANSWERS : undefined;
    if (answers !== undefined && portA !== undefined) {
      const answer = answers[portA];
      isOneWay = answer === undefined;
      portB = answer ?? portB;
    }
    let [from, to] = [source, destination];
    const order = Buffer.compare(from, to);
    if (!isOneWay && (order > 0 || (order === 0 && (portA ?? 0) > (portB ?? 0)))) {
      [from, to] = [to, from];
      [portA, portB] = [portB, portA];
    }
    const input = this.#input;
    let end = input.writeUInt16BE(this.#seed, 0);
    input.set(from, end);
    input.set(to, end + from.length);
    end += from.length + to.length;
    input[end++] = protocol;
    input[end++] = 0;
    if (portA !== undefined && portB !== undefined) {
      end = input.writeUInt16BE(portA, end);
      end = input.writeUInt16BE(portB, end);
    }
    return this.#hash(input.subarray(0, end));
  }

  #hash(input: Buffer): string {
    if (this.#maxKnown === 0) return "1:" + hash("sha1", input, "base64");
    const key = input.toString("latin1");
    let id = this.#known.get(key);
    if (id === undefined) {
      id = "1:" + hash("sha1", input, "base64");
      if (this.#known.size >= this.#maxKnown) this.#known.clear();
      this.#known.set(key, id);
    }
    return id;
  }
}

/** Some megabytes. */
const MAX_KNOWN = 16_384;

function hasPorts(protocol: number): boolean {
  switch (protocol) {
    case PROTOCOL.tcp:
    case PROTOCOL.udp:
    case PROTOCOL.sctp:
    case PROTOCOL.icmp:
    case PROTOCOL.icmp6:
      return true;
    default:
      return false;
  }
}
