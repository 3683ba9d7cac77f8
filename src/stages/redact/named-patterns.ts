import { isIpv4, isIpv6 } from "../../codec/ip.ts";

/** Something to look for in text. */
export interface Finder {
  readonly name: string;
  /** With the flag `g`. */
  readonly regex: RegExp;
  /** The first group is what stands before the text to redact, and the second is that text; otherwise all of the match. */
  readonly hasGroup: boolean;
  /** A text without this has nothing to find. */
  readonly needs?: string | undefined;
  /** Where the check fails nothing else begins inside the match. */
  readonly skips?: boolean | undefined;
  /** What of text[from … to) it is, or undefined when it only looks so. */
  readonly check?: Check | undefined;
}

type Check = (text: string, from: number, to: number) => readonly [from: number, to: number] | undefined;

/** What can be looked for by name, and what the reference says of it. */
export const PATTERN_NAMES = [
  "email",
  "credit_card",
  "ip",
  "bearer_token",
  "basic_auth",
  "jwt",
  "aws_access_key",
  "url_password",
  "assigned_secret",
  "private_key",
  "mac",
  "iban",
  "us_ssn",
] as const;
export type PatternName = (typeof PATTERN_NAMES)[number];

interface Source {
  readonly source: string;
  readonly hasGroup?: boolean;
  readonly needs?: string;
  readonly skips?: boolean;
  readonly check?: Check;
}

// None of these can backtrack without bound: a unit test asks V8's linear-time engine, which takes no repeat above 16.
const SOURCES: Readonly<Record<PatternName, Source>> = {
  email: { source: "[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)*\\.[A-Za-z][A-Za-z]+", needs: "@" },
  credit_card: { source: "\\d(?:[ -]?\\d){12}(?:[ -]?\\d){0,6}", check: cardIn },
  ip: {
    source: "[0-9]{1,3}(?:\\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:(?:[0-9.]{7,15}|[0-9A-Fa-f]{0,4})",
    skips: true,
    check: ipIn,
  },
  bearer_token: { source: "(\\b[Bb][Ee][Aa][Rr][Ee][Rr][ \\t]+)([A-Za-z0-9._~+/-]{8,}=*)", hasGroup: true },
  basic_auth: { source: "(\\b[Bb][Aa][Ss][Ii][Cc][ \\t]+)([A-Za-z0-9+/]{8,}={0,2})", hasGroup: true, check: basicIn },
  jwt: { source: "\\beyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]*", needs: "eyJ" },
  aws_access_key: { source: "\\b(?:AKIA|ASIA)[A-Z0-9]{16}\\b" },
  url_password: { source: "(://[^/\\s:@]*:)([^/\\s@]+)(?:@)", hasGroup: true, needs: "://" },
  assigned_secret: {
    source:
      "((?:[Pp]ass(?:word|wd|phrase)|PASS(?:WORD|WD|PHRASE)|[Pp]wd|PWD|[Ss]ecret|SECRET|[Tt]oken|TOKEN|[Aa]pi_?-?[Kk]ey|API_?KEY|[Aa]ccess_?[Kk]ey|ACCESS_?KEY)[\"']?[ \\t]*[=:][ \\t]*[\"']?)([^\\s\"'&,;}]+)",
    hasGroup: true,
  },
  private_key: {
    source: "-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    needs: "PRIVATE KEY",
  },
  mac: { source: "[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}", check: unlessInside },
  iban: {
    source: "\\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11}(?: ?[A-Z0-9]){0,15}(?: ?[A-Z0-9]){0,4}",
    check: ibanIn,
  },
  us_ssn: { source: "\\d{3}-\\d{2}-\\d{4}", check: ssnIn },
};

/** What finds the pattern of a name. */
export function namedFinder(name: PatternName): Finder {
  const { source, hasGroup = false, ...rest } = SOURCES[name];
  return { name, regex: new RegExp(source, "g"), hasGroup, ...rest };
}

function isWordAt(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return (
    (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95 || code > 127
  );
}

function unlessInside(text: string, from: number, to: number): readonly [number, number] | undefined {
  if (isWordAt(text, from - 1) || isWordAt(text, to)) return undefined;
  const isLonger = /[0-9A-Fa-f]{2}[:-]$/.test(text.slice(Math.max(0, from - 3), from)) && !isWordAt(text, from - 4);
  return isLonger || (/[:-]/.test(text[to] ?? "") && isWordAt(text, to + 1)) ? undefined : [from, to];
}

/** 13 to 19 digits that begin as a card of the usual issuers does, with the right check digit (ISO/IEC 7812). */
function cardIn(text: string, from: number, to: number): readonly [number, number] | undefined {
  if (isWordAt(text, from - 1) || text[from - 1] === ".") return undefined;
  // Digits that follow may belong to another number.
  for (let end = to; end - from >= 13; end--) {
    if (isWordAt(text, end) || !isWordAt(text, end - 1)) continue;
    const digits = text.slice(from, end).replace(/[ -]/g, "");
    if (isCardLength(digits) && hasLuhnDigit(digits)) return [from, end];
  }
  return undefined;
}

function isCardLength(digits: string): boolean {
  const { length } = digits;
  if (digits[0] === "4") return length === 13 || length === 16 || length === 19;
  const [two, four] = [Number(digits.slice(0, 2)), Number(digits.slice(0, 4))];
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return length === 16;
  if (two === 34 || two === 37) return length === 15;
  if (two === 36 || two === 38 || two === 39 || (four >= 3000 && four <= 3059)) return length >= 14;
  return [35, 50, 56, 57, 58, 60, 62, 63, 64, 65, 67].includes(two) && length >= 16;
}

/** ISO/IEC 7812-1 annex B. */
export function hasLuhnDigit(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 1, isSecond = false; i >= 0; i--, isSecond = !isSecond) {
    const digit = (digits.charCodeAt(i) - 48) * (isSecond ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
}

function ipIn(text: string, from: number, to: number): readonly [number, number] | undefined {
  // The end of a sentence, or of `address:` before a message.
  while (to > from && text[to - 1] === ".") to--;
  if (text[to - 1] === ":" && text[to - 2] !== ":") to--;
  if (text[from] === ":" && text[from + 1] !== ":") from++;
  if (isWordAt(text, from - 1) || isWordAt(text, to) || text[from - 1] === ".") return undefined;
  const found = text.slice(from, to);
  if (found.includes(":")) return /[0-9A-Fa-f]/.test(found) && isIpv6(found) ? [from, to] : undefined;
  return isIpv4(found) && !(text[to] === "." && isWordAt(text, to + 1)) ? [from, to] : undefined;
}

/** "basic" is a word, too: what follows has to be base64 of something with a colon (RFC 7617). */
function basicIn(text: string, from: number, to: number): readonly [number, number] | undefined {
  return Buffer.from(text.slice(from, to), "base64").includes(":") ? [from, to] : undefined;
}

/** ISO 13616: the number that it is, its first four characters moved to the end, leaves 1 when divided by 97. */
function ibanIn(text: string, from: number, to: number): readonly [number, number] | undefined {
  // The last group may be a word that follows.
  for (let end = to; end - from >= 15; end--) {
    if (isWordAt(text, end) || text[end - 1] === " ") continue;
    const compact = text.slice(from, end).replaceAll(" ", "");
    if (compact.length >= 15 && compact.length <= 34 && isMod97(compact.slice(4) + compact.slice(0, 4)))
      return [from, end];
  }
  return undefined;
}

function isMod97(text: string): boolean {
  let rest = 0;
  for (const char of text) {
    const value = parseInt(char, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

function ssnIn(text: string, from: number, to: number): readonly [number, number] | undefined {
  if (isWordAt(text, from - 1) || isWordAt(text, to) || text[from - 1] === "-" || text[to] === "-") return undefined;
  const [area, group, serial] = text.slice(from, to).split("-");
  const isNone = area === "000" || area === "666" || area! >= "900" || group === "00" || serial === "0000";
  return isNone ? undefined : [from, to];
}
