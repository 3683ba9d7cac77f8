import { AT, AT_F64, AT_U16, AT_U8, type FlowTable } from "./flow-table.ts";

/** How far a TCP connection has come, as far as the capture shows. */
export const STATE = {
  none: 0,
  synSent: 1,
  synReceived: 2,
  established: 3,
  halfClosed: 4,
  closed: 5,
  reset: 6,
  refused: 7,
} as const;
/** By STATE. */
export const STATE_NAMES = [
  ...["", "syn_sent", "syn_received", "established", "half_closed", "closed", "reset", "refused"],
] as const;

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
const SYN_ACK = SYN | ACK;

/** Jumps that no window allows (RFC 7323: 1 GB at most): the numbers begin anew, nothing is counted as missing. */
const MAX_JUMP = 1 << 30;

/** Whether a SYN belongs to another connection than the flow: its ports are used again. */
export function isNewConnection(table: FlowTable, flow: number, flags: number, sequence: number): boolean {
  if ((flags & (SYN_ACK | RST)) !== SYN) return false;
  const at = table.at(flow);
  const state = table.u8[at * 4 + AT_U8.state]!;
  if (state === STATE.closed || state === STATE.reset) return true;
  // A first SYN that is sent again has the same number. Of connections that the capture began in the midst of, none is known.
  return (
    ((table.u16[at * 2 + AT_U16.tcpFlags]! & SYN) === 0 || table.i32[at + AT.firstSequence] !== sequence) &&
    !table.isReverse
  );
}

/** What a TCP segment means for its flow, which has not counted it yet. `sequence` is signed; `length`: bytes of payload on the wire. */
export function trackSegment(
  table: FlowTable,
  flow: number,
  now: number,
  flags: number,
  sequence: number,
  length: number,
): void {
  const { u32, u16 } = table;
  const at = table.at(flow);
  const direction = table.isReverse ? 1 : 0;
  const taken = length + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
  if (table.f64[at / 2 + AT_F64.packets + direction] === 0) {
    if (direction === 0) u32[at + AT.firstSequence] = sequence;
    u32[at + AT.nextSequence + direction] = sequence + taken;
  } else if ((flags & RST) === 0) {
    trackSequence(table, at, direction, flags, sequence, taken);
  }
  measure(table, at, direction, now, flags);
  u16[at * 2 + AT_U16.tcpFlags + direction]! |= flags;
  advance(table, at, direction, flags);
}

function trackSequence(
  table: FlowTable,
  at: number,
  direction: number,
  flags: number,
  sequence: number,
  taken: number,
): void {
  const { u32, u16 } = table;
  const nextAt = at + AT.nextSequence + direction;
  const next = u32[nextAt]!;
  const ahead = (sequence - next) | 0;
  if (ahead === 0) {
    u32[nextAt] = next + taken;
  } else if (ahead > 0 && ahead <= MAX_JUMP) {
    u32[at + AT.gapAt + direction] = next;
    u32[at + AT.gapLength + direction] = ahead;
    u32[at + AT.missingBytes + direction]! += ahead;
    increase(u16, at * 2 + AT_U16.gaps + direction);
    u32[nextAt] = sequence + taken;
  } else if (ahead < -MAX_JUMP || ahead > MAX_JUMP) {
    u32[nextAt] = sequence + taken;
    u32[at + AT.gapLength + direction] = 0;
  } else if (taken > 0) {
    // A probe for a sign of life repeats the last byte, or none.
    const isProbe = ahead === -1 && taken === 1 && (flags & (SYN | FIN)) === 0;
    if (fill(table, at, direction, sequence, taken)) increase(u16, at * 2 + AT_U16.outOfOrder + direction);
    else if (!isProbe) u32[at + AT.retransmissions + direction]! += 1;
    const more = ahead + taken;
    if (more > 0) u32[nextAt] = next + more;
  }
}

/** Takes what a late segment brings off the latest gap. False: it brings nothing that is missing. */
function fill(table: FlowTable, at: number, direction: number, sequence: number, taken: number): boolean {
  const { u32 } = table;
  const lengthAt = at + AT.gapLength + direction;
  const gapAt = at + AT.gapAt + direction;
  const length = u32[lengthAt]!;
  const from = Math.max(0, (sequence - u32[gapAt]!) | 0);
  const to = Math.min(length, ((sequence - u32[gapAt]!) | 0) + taken);
  if (to <= from) return false;
  u32[at + AT.missingBytes + direction]! -= to - from;
  // Of two pieces that are left the later one is remembered.
  if (to < length) {
    u32[gapAt]! += to;
    u32[lengthAt] = length - to;
  } else {
    u32[lengthAt] = from;
  }
  return true;
}

/** Round-trip times of the handshake: from the last SYN to its answer, and from that to what follows. */
function measure(table: FlowTable, at: number, direction: number, now: number, flags: number): void {
  const { f32 } = table;
  const since = now - table.f64[at / 2 + AT_F64.begin]!;
  const state = table.u8[at * 4 + AT_U8.state]!;
  if ((flags & RST) !== 0) return;
  if ((flags & SYN_ACK) === SYN && direction === 0) {
    f32[at + AT.sentAt] = since;
  } else if ((flags & SYN_ACK) === SYN_ACK && direction === 1 && state <= STATE.synSent) {
    const hasSyn = (table.u16[at * 2 + AT_U16.tcpFlags]! & SYN) !== 0;
    if (hasSyn) f32[at + AT.destinationRtt] = Math.max(0, since - f32[at + AT.sentAt]!);
    f32[at + AT.sentAt] = since;
  } else if ((flags & SYN_ACK) === ACK && direction === 0 && state === STATE.synReceived) {
    f32[at + AT.sourceRtt] = Math.max(0, since - f32[at + AT.sentAt]!);
  }
}

function advance(table: FlowTable, at: number, direction: number, flags: number): void {
  const { u8, u16 } = table;
  const stateAt = at * 4 + AT_U8.state;
  const state = u8[stateAt]!;
  if ((flags & RST) !== 0) {
    if (state === STATE.synSent && direction === 1) u8[stateAt] = STATE.refused;
    else if (state !== STATE.closed && state !== STATE.refused) u8[stateAt] = STATE.reset;
  } else if (state >= STATE.closed) {
    return;
  } else if ((flags & FIN) !== 0) {
    const flagsAt = at * 2 + AT_U16.tcpFlags;
    u8[stateAt] = (u16[flagsAt]! & u16[flagsAt + 1]! & FIN) !== 0 ? STATE.closed : STATE.halfClosed;
  } else if ((flags & SYN_ACK) === SYN_ACK) {
    if (state <= STATE.synSent) u8[stateAt] = STATE.synReceived;
  } else if ((flags & SYN) !== 0) {
    if (state === STATE.none) u8[stateAt] = STATE.synSent;
  } else if (state === STATE.none || (state <= STATE.synReceived && direction === 0)) {
    u8[stateAt] = STATE.established;
  }
}

/** Adds one to a count of 16 bits that stays at its highest value. */
function increase(counts: Uint16Array, at: number): void {
  if (counts[at]! < 0xffff) counts[at]!++;
}
