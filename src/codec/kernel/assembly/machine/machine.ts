// AssemblyScript (TypeScript's syntax, WebAssembly's types; `npm run build` compiles it with asc). Runs a pipeline's
// program over lines of bytes: parsing, changing, conditions and the document, without an object or a string an event
// (docs/decisions/0006-compiled-pipelines.md). ../../machine.ts owns this module's memory and calls it; programs
// are assembled by ../../program-builder.ts and checked by nobody. Whatever is unusual in a line, the machine gives the line up.

import { beginRun, constantBytes, isFull, memberStart, runLine, timeMs, writeHead } from "./line";
import {
  documentEnds,
  documentLines,
  documentTimes,
  ends,
  gaveUp,
  input,
  maxLineBytes,
  memberStarts,
  offsets,
  otherEnds,
  otherOutput,
  output,
  outputCapacity,
  starts,
} from "./memory";
import { copy, hashOf } from "./text";

export {
  input,
  inputCapacity,
  lineCapacity,
  maxLineBytes,
  starts,
  ends,
  offsets,
  program,
  programCapacity,
  variables,
  variableCapacity,
  slotCapacity,
  cacheCapacity,
  stageCapacity,
  caches,
  drops,
  output,
  documentEnds,
  memberStarts,
  documentLines,
  documentTimes,
  otherOutput,
  otherEnds,
  outputCapacity,
} from "./memory";
export { prepare } from "./line";

/** Of the last `run`: documents, bytes of output, and whether it stopped at a line that needs the plain way: i32. */
export const result: usize = memory.data(12, 16);
let documents: i32 = 0;

/** The hash of a key that lies in the input area: for tables of known keys. */
export function hashKey(length: i32): i32 {
  return <i32>hashOf(input, length);
}

/**
 * Runs lines from … to - 1. Returns the first line that is not done: `to`, or the line that needs the plain way, or the
 * first one for which there may be no room.
 */
export function run(from: i32, to: i32): i32 {
  let out = output;
  const full = output + outputCapacity;
  beginRun();
  documents = 0;
  let stoppedAtLine = false;
  let line = from;
  for (; line < to; line++) {
    const lineBegin: usize = input + load<i32>(starts + (line << 2));
    const lineEnd: usize = input + load<i32>(ends + (line << 2));
    const length = <i32>(lineEnd - lineBegin);
    if (length > maxLineBytes) {
      stoppedAtLine = true;
      break;
    }
    // A JSON object's members are copied as they are; all other values are checked when they are written.
    if (out + constantBytes + 2 * length > full) break;
    const end = runLine(lineBegin, lineEnd, load<f64>(offsets + (line << 3)), out);
    if (gaveUp) {
      // The whole output may be room enough.
      stoppedAtLine = !isFull || documents == 0;
      break;
    }
    if (end == 0) continue;
    store<i32>(documentEnds + (documents << 2), <i32>(end - output));
    store<i32>(memberStarts + (documents << 2), <i32>(memberStart - output));
    store<i32>(documentLines + (documents << 2), line);
    store<f64>(documentTimes + (documents << 3), timeMs);
    documents++;
    out = end;
  }
  store<i32>(result, documents);
  store<i32>(result + 4, <i32>(out - output));
  store<i32>(result + 8, stoppedAtLine ? 1 : 0);
  return line;
}

/** Writes the documents of the last `run` again, behind another head: variables 2 * encoding and 2 * encoding + 1. */
export function writeOther(encoding: i32): i32 {
  let out = otherOutput;
  for (let i = 0; i < documents; i++) {
    out = writeHead(out, encoding, load<f64>(offsets + (load<i32>(documentLines + (i << 2)) << 3)));
    const from = output + load<i32>(memberStarts + (i << 2));
    out = copy(out, from, output + load<i32>(documentEnds + (i << 2)) - from);
    store<i32>(otherEnds + (i << 2), <i32>(out - otherOutput));
  }
  return <i32>(out - otherOutput);
}
