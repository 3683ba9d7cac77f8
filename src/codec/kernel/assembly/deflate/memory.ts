// Where everything lies in this module's memory. It is shared with the thread that fills inputs and takes outputs
// (../../../gzip/threads.ts), of fixed size, and only what is used becomes resident: 272 pages of 64 KiB, as
// scripts/steps.mjs compiles it and ../../../gzip/kernel.ts makes it. Addresses are said here one by one:
// asc would write what it reserves in a memory that is not its own as zeros into the module.

/** Bytes behind each area that vector loads and stores may touch. */
const SLACK: i32 = 64;
/** In front of it lies what asc places itself. */
const START: usize = 4096;

/** How far back a match may be (RFC 1951, section 3.2.5). */
export const WINDOW: i32 = 32_768;
export const HASH_BITS: i32 = 15;
/** The last place where four bytes of a hash stood, and the one before each place: i16, counted from `base`. */
export const HEADS_BYTES: usize = 2 << 15;
export const BEFORES_BYTES: usize = 2 * 32_768;
export const heads: usize = START;
export const befores: usize = heads + HEADS_BYTES;

/** Literals and matches of the block at hand: u32. Some more than a block's may come before it is seen to be full. */
export const BLOCK_TOKENS: i32 = 16_384;
export const tokens: usize = befores + BEFORES_BYTES;

export const LITERALS: i32 = 286;
export const DISTANCES: i32 = 30;
export const CODE_LENGTHS: i32 = 19;
/** How often each symbol is used: u32. */
export const literalCounts: usize = tokens + 4 * (16_384 + SLACK);
export const distanceCounts: usize = literalCounts + 4 * 288;
export const codeLengthCounts: usize = distanceCounts + 4 * 32;
/** The length of each symbol's code in bits: u8. */
export const literalLengths: usize = codeLengthCounts + 4 * 32;
export const distanceLengths: usize = literalLengths + 288;
export const codeLengthLengths: usize = distanceLengths + 32;
/** Each symbol's code, first bit lowest, and its length in bits << 24: u32. Lengths of matches have their extra bits with them. */
export const literalCodes: usize = codeLengthLengths + 32;
export const matchCodes: usize = literalCodes + 4 * 288;
export const distanceCodes: usize = matchCodes + 4 * 256;
export const codeLengthCodes: usize = distanceCodes + 4 * 32;
/** The lengths of both codes in a row as a block's head says them, u8, and run by run: u16, symbol | extra bits << 8. */
export const allLengths: usize = codeLengthCodes + 4 * 32;
export const runs: usize = allLengths + 320;

/** For sorting symbols by how often they are used: count << 16 | symbol, u32. */
export const sorted: usize = runs + 2 * 320;
export const spare: usize = sorted + 4 * 288;
export const buckets: usize = spare + 4 * 288;
/** How many codes have each length, and the next code of each: u16. */
export const lengthCounts: usize = buckets + 4 * 256;
export const nextCodes: usize = lengthCounts + 2 * 64;

/** Of a match by its length - 3: its symbol - 257; of such a symbol: its least length - 3 and its extra bits: u8. */
export const lengthSymbols: usize = nextCodes + 2 * 64;
export const lengthBases: usize = lengthSymbols + 256;
export const lengthExtras: usize = lengthBases + 32;
/** Codes of blocks that say none (section 3.2.6), as `literalLengths` are. */
export const fixedLiteralLengths: usize = lengthExtras + 32;
export const fixedDistanceLengths: usize = fixedLiteralLengths + 288;

/** Inputs and outputs: one of each is filled or emptied while the other is used. */
export const slots: i32 = 2;
/** Bytes that are compressed at once. */
export const inputCapacity: i32 = 4 * 1024 * 1024;
/** What does not shrink is stored: 11 bytes more for each block of at least 16,384. */
export const outputCapacity: i32 = inputCapacity + 4 * 1024;
export const inputStride: i32 = inputCapacity + SLACK;
export const outputStride: i32 = outputCapacity + SLACK;
export const inputs: usize = START + 512 * 1024;
export const outputs: usize = inputs + 2 * inputStride;
