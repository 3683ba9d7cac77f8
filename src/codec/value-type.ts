import { isIp } from "./ip.ts";

/** The types that text can be turned into, as users name them. */
export const VALUE_TYPES = ["integer", "float", "boolean", "string", "ip"] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** The converted value, or undefined when it is none of the type. */
export type ValueConverter = (value: unknown) => unknown;

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  "1": true,
  false: false,
  no: false,
  off: false,
  "0": false,
};

/** `integer`: up to 2^53. `boolean`: true, yes, on, 1 and their opposites, in any case. `ip`: only checks. */
export const VALUE_CONVERTERS: Readonly<Record<ValueType, ValueConverter>> = {
  integer: (value) => {
    const number = typeof value === "string" ? (/^[+-]?\d+$/.test(value) ? Number(value) : NaN) : value;
    return Number.isSafeInteger(number) ? number : undefined;
  },
  float: (value) => {
    const number =
      typeof value === "string" ? (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value) ? Number(value) : NaN) : value;
    return Number.isFinite(number) ? number : undefined;
  },
  boolean: (value) => {
    if (typeof value === "boolean") return value;
    const text = typeof value === "string" ? value.toLowerCase() : typeof value === "number" ? String(value) : "";
    return Object.hasOwn(BOOLEANS, text) ? BOOLEANS[text] : undefined;
  },
  string: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
  ip: (value) => (typeof value === "string" && isIp(value) ? value : undefined),
};

/** Why a value could not be converted, for people: `status: "abc" is not of type integer`. */
export function notOfType(name: string, value: unknown, type: string): string {
  return `${name}: ${JSON.stringify(value).slice(0, 60)} is not of type ${type}`;
}

/** Whether a text has no characters beyond ASCII. */
export function isAscii(text: string): boolean {
  return /^[\u0001-\u007f]*$/.test(text);
}
