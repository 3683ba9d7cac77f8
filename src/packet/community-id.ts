import { CommunityIds } from "../codec/community-id.ts";
import type { HeaderColumns } from "./headers/header-columns.ts";

/** Community IDs of packets. Make one a decoder. */
export class CommunityId extends CommunityIds {
  /**
   * The id of packet `i` of decoded columns, by its outermost IP header, or by its innermost one where `isInner`;
   * undefined where there is none. Only the first piece of a datagram has ports: the ids of the others are those of
   * their addresses and protocol alone.
   */
  of(bytes: Uint8Array, columns: HeaderColumns, i: number, isInner = false): string | undefined {
    const slot = 2 * i + (isInner ? 1 : 0);
    const at = columns.ipAt[slot]!;
    if (at < 0) return undefined;
    const isVersion4 = columns.ipVersion[slot] === 4;
    const size = isVersion4 ? 4 : 16;
    const first = at + (isVersion4 ? 12 : 8);
    const source = bytes.subarray(first, first + size);
    const destination = bytes.subarray(first + size, first + 2 * size);
    const hasTransport = columns.transportAt[slot]! >= 0;
    const from = hasTransport ? columns.sourcePort[slot] : undefined;
    const to = hasTransport ? columns.destinationPort[slot] : undefined;
    return this.ofTuple(columns.ipProtocol[slot]!, source, destination, from, to);
  }
}
