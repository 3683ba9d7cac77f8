import { isIp } from "../ip.ts";
import { toInteger } from "./convert.ts";
import type { NginxConversion } from "./variables.ts";

/** One variable's way from its capture to its fields. `at[k]` is an index into `fields`, -1 for one that is taken. */
export interface FillStep {
  readonly conversion: NginxConversion;
  /** The first capture of the variable; a request has three more behind it. */
  readonly group: number;
  readonly at: readonly number[];
}

/** Writes the values of a match to `values[slots[i]]`, for field i. */
export type Fill = (match: RegExpExecArray, values: unknown[], slots: Int32Array) => void;

/**
 * Straight-line code of one format for lines that hold no escapes: the steps' loop and switch cost more than what they
 * do. `other` does steps that are rare, by their index, and requests that are no well-formed ones. Only numbers and
 * `absent` (as JSON) go into the code.
 */
export function compileFill(
  steps: readonly FillStep[],
  absent: string,
  other: (step: number, match: RegExpExecArray, values: unknown[], slots: Int32Array) => void,
): Fill {
  const isPresent = absent === "" ? 'text !== ""' : `text !== ${JSON.stringify(absent)} && text !== ""`;
  let code = "";
  steps.forEach(({ conversion, group, at }, index) => {
    const put = (k: number, value: string): string => (at[k]! >= 0 ? `values[slots[${at[k]!}]] = ${value};` : "");
    const text = `text = match[${group}];\nif (${isPresent})`;
    if (conversion === "text") code += `${text} { ${put(0, "text")} }\n`;
    else if (conversion === "integer")
      code += `${text} { number = toInteger(text); if (number === number) { ${put(0, "number")} } }\n`;
    else if (conversion === "address")
      code += `${text} { ${put(0, "text")} ${at[1]! >= 0 ? `if (isIp(text)) { ${put(1, "text")} }` : ""} }\n`;
    else if (conversion === "request") {
      code += `text = match[${group}];\nif (text === undefined) other(${index}, match, values, slots);\n`;
      code += `else { ${put(0, "text")} ${put(1, `match[${group + 1}]`)} ${put(2, `match[${group + 2}]`)} }\n`;
    } else code += `other(${index}, match, values, slots);\n`;
  });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- nothing but this module's own code and constants
  const make = new Function(
    "toInteger",
    "isIp",
    "other",
    `"use strict"; return function (match, values, slots) { let text, number;\n${code}}`,
  ) as (toInteger_: typeof toInteger, isIp_: typeof isIp, other_: typeof other) => Fill;
  return make(toInteger, isIp, other);
}
