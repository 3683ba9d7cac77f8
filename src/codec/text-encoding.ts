import { Buffer, isAscii } from "node:buffer";

/**
 * Encodings of text that can be read, by the names of the WHATWG Encoding Standard, except that `latin1` is ISO 8859-1
 * itself. In each of them the bytes of LF and CR are never part of another character (in UTF-16: those units).
 */
export const ENCODINGS = [
  ...["utf-8", "utf-16le", "utf-16be", "latin1"],
  ...["windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256"],
  ...["windows-1257", "windows-1258", "windows-874"],
  ...["iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5", "iso-8859-6", "iso-8859-7", "iso-8859-8", "iso-8859-10"],
  ...["iso-8859-13", "iso-8859-14", "iso-8859-15"],
  ...["koi8-r", "koi8-u", "ibm866", "macintosh"],
  ...["shift_jis", "euc-jp", "gbk", "gb18030", "big5", "euc-kr"],
] as readonly string[];

/** How bytes become text. UTF-8, which has a faster way of its own, is `undefined` wherever this is asked for. */
export interface TextEncoding {
  readonly name: string;
  /** Bytes of a line end's characters: 2 in UTF-16. */
  readonly unit: 1 | 2;
  /** Each unit of bytes is one code unit of the text. */
  readonly isFixed: boolean;
  /** Whole characters as text, invalid ones as U+FFFD. A byte order mark is kept. */
  decode(bytes: Buffer): string;
  /** The last place at or before `at` that cuts no character, seen from `from`, where one begins; `at` in invalid text. */
  boundary(bytes: Buffer, from: number, at: number): number;
}

const made = new Map<string, TextEncoding | undefined>();

/** The encoding of a name of ENCODINGS. Throws a RangeError when this build of Node cannot decode it. */
export function textEncoding(name: string): TextEncoding | undefined {
  if (!made.has(name)) made.set(name, make(name));
  return made.get(name);
}

/** What the first bytes of a text say: its byte order mark, otherwise `given`. */
export function encodingOf(first: Buffer, given: TextEncoding | undefined): TextEncoding | undefined {
  if (first[0] === 0xef && first[1] === 0xbb && first[2] === 0xbf) return undefined;
  if (first[0] === 0xff && first[1] === 0xfe) return textEncoding("utf-16le");
  if (first[0] === 0xfe && first[1] === 0xff) return textEncoding("utf-16be");
  return given;
}

/** Whether so few bytes may still become a byte order mark. */
export function mayBecomeMark(first: Buffer): boolean {
  if (first.length === 1) return first[0] === 0xef || first[0] === 0xff || first[0] === 0xfe;
  return first.length === 2 && first[0] === 0xef && first[1] === 0xbb;
}

/** The encoding of a source's option. */
export interface EncodingOption {
  readonly encoding: TextEncoding | undefined;
  /** What is wrong with it, for `check`. */
  readonly fault: string | undefined;
}

export function encodingOption(name: string): EncodingOption {
  try {
    return { encoding: textEncoding(name), fault: undefined };
  } catch {
    return { encoding: undefined, fault: `this build of Node cannot decode ${name}: it needs one with full ICU data` };
  }
}

function make(name: string): TextEncoding | undefined {
  if (name === "utf-8") return undefined;
  if (name === "utf-16le") return utf16(name, (bytes) => bytes.toString("utf16le"));
  if (name === "utf-16be") return utf16(name, (bytes) => Buffer.from(bytes).swap16().toString("utf16le"));
  if (name === "latin1") return singleByte(name, (bytes) => bytes.toString("latin1"));
  if (name === "windows-1252") return singleByte(name, windows1252);
  const decoder = new TextDecoder(name);
  const decode = withAsciiControls((bytes) => decoder.decode(bytes));
  if (decoder.decode(Uint8Array.from({ length: 256 }, (_, i) => i)).length === 256) return singleByte(name, decode);
  return { name, unit: 1, isFixed: false, decode, boundary: (bytes, from, at) => boundaryBy(decoder, bytes, from, at) };
}

function singleByte(name: string, decode: (bytes: Buffer) => string): TextEncoding {
  return { name, unit: 1, isFixed: true, decode, boundary: (_bytes, _from, at) => at };
}

function utf16(name: string, decode: (bytes: Buffer) => string): TextEncoding {
  const high = name === "utf-16le" ? 1 : 0;
  return {
    ...{ name, unit: 2, isFixed: true },
    decode(bytes) {
      const whole = bytes.length & ~1;
      const text = withoutLoneSurrogates(decode(bytes.subarray(0, whole)));
      return whole < bytes.length ? `${text}\ufffd` : text;
    },
    boundary(bytes, from, at) {
      const even = at - ((at - from) & 1);
      const isCut = even - from >= 2 && (bytes[even - 2 + high]! & 0xfc) === 0xd8;
      return isCut ? even - 2 : even;
    },
  };
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Of the same length, so that places in it stay what they are. */
function withoutLoneSurrogates(text: string): string {
  return text.replace(LONE_SURROGATE, "\ufffd");
}

/** Where the bytes 80 to 9f of windows-1252 go; Node decodes them as ISO 8859-1 in some versions. */
const WINDOWS_1252 =
  "\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f" +
  "\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178";

function windows1252(bytes: Buffer): string {
  return bytes.toString("latin1").replace(/[\x80-\x9f]/g, (byte) => WINDOWS_1252[byte.charCodeAt(0) - 0x80]!);
}

/** ICU exchanges three control characters in some of IBM's code pages; the standard does not. */
function withAsciiControls(decode: (bytes: Buffer) => string): (bytes: Buffer) => string {
  const control = (text: string): string => decode(Buffer.from(text, "latin1"));
  const [sub, fs, del] = [control("\x1a"), control("\x1c"), control("\x7f")];
  if (sub === "\x1a" && fs === "\x1c" && del === "\x7f") return decode;
  const back = new Map([
    [sub, "\x1a"],
    [fs, "\x1c"],
    [del, "\x7f"],
  ]);

  return (bytes) => decode(bytes).replace(/[\x1a\x1c\x7f]/g, (each) => back.get(each) ?? each);
}

/** The longest character (GB 18030) has four bytes. */
const MOST_MISSING = 3;

function boundaryBy(decoder: InstanceType<typeof TextDecoder>, bytes: Buffer, from: number, at: number): number {
  for (let cut = at; cut >= from && at - cut <= MOST_MISSING; cut--) {
    decoder.decode(bytes.subarray(from, cut), { stream: true });
    if (decoder.decode() === "") return cut;
  }
  return at;
}

/** Decodes what has as many line ends in bytes as in text; by itself each line where a decoder would not keep them. */
export function decodeLines(encoding: TextEncoding, bytes: Buffer): string {
  if (isAscii(bytes)) return bytes.toString("latin1");
  const text = encoding.decode(bytes);
  if (countOf(text, "\n") === countOf(bytes.toString("latin1"), "\n")) return text;
  const lines: string[] = [];
  for (let from = 0; ;) {
    const newline = bytes.indexOf(10, from);
    const line = encoding.decode(bytes.subarray(from, newline === -1 ? bytes.length : newline));
    lines.push(line.replaceAll("\n", "\ufffd"));
    if (newline === -1) return lines.join("\n");
    from = newline + 1;
  }
}

function countOf(text: string, character: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) count++;
  return count;
}
