// Areas of fixed size, one after the other. Each ends with SLACK bytes that vector loads and stores may touch.

export const SLACK: i32 = 64;
export const inputCapacity: i32 = 160 * 1024;
export const lineCapacity: i32 = 8192;
/** A longer line goes the plain way. */
export const maxLineBytes: i32 = 32 * 1024;
export const programCapacity: i32 = 128 * 1024;
export const variableCapacity: i32 = 64 * 1024;
export const slotCapacity: i32 = 512;
export const cacheCapacity: i32 = 32;
export const stageCapacity: i32 = 256;
/** Text made for one line: values of JSON members, unescaped and joined text. */
export const scratchCapacity: i32 = 8 * maxLineBytes;
export const outputCapacity: i32 = 512 * 1024;

export const input: usize = memory.data(inputCapacity + SLACK, 16);
/** Where each line begins and ends in the input: i32. */
export const starts: usize = memory.data(4 * lineCapacity, 16);
export const ends: usize = memory.data(4 * lineCapacity, 16);
/** Position of each line in its partition: f64. */
export const offsets: usize = memory.data(8 * lineCapacity, 16);
/** Operations, constants, tables. */
export const program: usize = memory.data(programCapacity + SLACK, 16);
/** Constants that depend on the partition: a table of address and length, then the text. */
export const variables: usize = memory.data(variableCapacity + SLACK, 16);
export const slots: usize = memory.data(16 * slotCapacity, 16);
export const captures: usize = memory.data(8 * 256, 16);
export const marks: usize = memory.data(4 * 64, 16);
export const scratch: usize = memory.data(scratchCapacity + SLACK, 16);
/** Time caches, 256 bytes each: time.ts. */
export const caches: usize = memory.data(256 * cacheCapacity, 16);
/** Events left out, by stage: i32. */
export const drops: usize = memory.data(4 * stageCapacity, 16);
export const output: usize = memory.data(outputCapacity + SLACK, 16);
/** Of each document: where it ends in the output, where its members begin, its line: i32; its time: f64. */
export const documentEnds: usize = memory.data(4 * lineCapacity, 16);
export const memberStarts: usize = memory.data(4 * lineCapacity, 16);
export const documentLines: usize = memory.data(4 * lineCapacity, 16);
export const documentTimes: usize = memory.data(8 * lineCapacity, 16);
/** Another encoding of the same documents. */
export const otherOutput: usize = memory.data(outputCapacity + SLACK, 16);
export const otherEnds: usize = memory.data(4 * lineCapacity, 16);

/** Set by whatever finds that a line needs the plain way. */
export let gaveUp: bool = false;
export function giveUp(): void {
  gaveUp = true;
}
export function beginLine(): void {
  gaveUp = false;
  scratchTop = scratch;
}

/** The end of what is used of the scratch area. */
export let scratchTop: usize = 0;
export function setScratchTop(top: usize): void {
  scratchTop = top;
  if (top > scratch + scratchCapacity) gaveUp = true;
}
/** Whether `bytes` more fit; if not, the line is given up. */
export function scratchFits(bytes: usize): bool {
  if (scratchTop + bytes <= scratch + scratchCapacity) return true;
  gaveUp = true;
  return false;
}
