import { randomOf } from "../support/traffic.ts";
import { MAX_LINE_BYTES } from "./host-config.ts";

/** A token that is in every line once, whatever becomes of the line. */
const TOKEN = /wt[a-z0-9]+-\d{7}/;

/** How the lines of a file look. */
export type LineStyle = "text" | "json" | "odd_bytes" | "huge";

export interface ChaosLine {
  readonly token: string;
  /** Without its line end. */
  readonly bytes: Buffer;
  /** `message` of the event that it has to become. */
  readonly message: string;
  /** The line as text, whatever stages make of it. */
  readonly original: string;
  /** Elasticsearch has to refuse it: a text where the mapping has an object. */
  readonly isConflict: boolean;
}

const CONFLICT_EVERY = 1000;
const PROSE = "the quick brown fox jumps over the lazy dog – ünïcödé ßüß 日本語のログ 🦊 done; ";
const CHARACTERS = [...PROSE];

/** Line `number` of a file: the same bytes whenever it is asked for, so that nothing has to be kept. */
export function chaosLine(file: string, style: LineStyle, number: number): ChaosLine {
  const token = `wt${file}-${String(number).padStart(7, "0")}`;
  if (style === "huge") {
    const message = `${token} `.padEnd(MAX_LINE_BYTES, "x");
    return { token, bytes: Buffer.from(message), message, original: message, isConflict: false };
  }
  const random = randomOf(hashOf(token));
  const length = random() < 0.01 ? 2_000 + Math.floor(random() * 10_000) : 10 + Math.floor(random() * 250);
  if (style === "odd_bytes") {
    const bytes = Buffer.from(`${token} ${"?".repeat(length % 120)}.`);
    for (let i = token.length + 1; i < bytes.length - 1; i++) bytes[i] = oddByte(random);
    const message = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    return { token, bytes, message, original: message, isConflict: false };
  }
  const start = Math.floor(random() * CHARACTERS.length);
  let prose = "";
  for (let i = 0; i < length; i++) prose += CHARACTERS[(start + i) % CHARACTERS.length]!;
  const message = `${token} ${prose}.`;
  if (style === "text") return { token, bytes: Buffer.from(message), message, original: message, isConflict: false };
  const isConflict = number % CONFLICT_EVERY === CONFLICT_EVERY >> 1;
  const http = isConflict ? "not an object" : { response: { status_code: 200 + (number % 300) } };
  const original = JSON.stringify({ message, http });
  return { token, bytes: Buffer.from(original), message, original, isConflict };
}

/** Anything but a newline; zero bytes and pieces of UTF-8 often. */
function oddByte(random: () => number): number {
  const roll = random();
  if (roll < 0.15) return 0;
  if (roll < 0.3) return 0xe2;
  if (roll < 0.45) return 0x80 + Math.floor(random() * 0x40);
  const byte = Math.floor(random() * 256);
  return byte === 10 || byte === 13 ? 32 : byte;
}

export function tokenIn(text: string): string | undefined {
  return TOKEN.exec(text)?.[0];
}

/** All tokens in a text, each once. */
export function tokensIn(text: string): Set<string> {
  return new Set(text.match(new RegExp(TOKEN, "g")));
}

/** FNV-1a. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
