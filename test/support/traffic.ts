import { appendFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { logrotate } from "./e2e.ts";

/** Makes line `number` of a log; `token` must be in it. */
export type MakeLine = (token: string, number: number) => string;

/** A token that is in every line once written, whatever stages make of the line. */
export const TOKEN = /\b(?:chat|web|app|copied)-\d{7}\b/;

/** Something that logs: writes lines with running numbers into a file, opened by name for each write. */
export class LogWriter {
  readonly name: string;
  readonly path: string;
  /** Lines written. */
  count = 0;
  readonly #make: MakeLine;
  #running: Promise<void> = Promise.resolve();
  #isStopped = true;

  constructor(name: string, path: string, make: MakeLine) {
    this.name = name;
    this.path = path;
    this.#make = make;
  }

  async write(lines: number): Promise<void> {
    let text = "";
    for (let i = 0; i < lines; i++, this.count++) {
      text += this.#make(`${this.name}-${String(this.count).padStart(7, "0")}`, this.count) + "\n";
    }
    await mkdir(dirname(this.path), { recursive: true });
    await appendFile(this.path, text);
  }

  start(lines: number, everyMs: number): void {
    this.#isStopped = false;
    this.#running = (async () => {
      while (!this.#isStopped) {
        await this.write(lines);
        await sleep(everyMs);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  tokens(): string[] {
    return Array.from({ length: this.count }, (_, i) => `${this.name}-${String(i).padStart(7, "0")}`);
  }
}

/** A line of connections.log of now. The last part of the time is milliseconds padded to four digits. */
export function chatLine(token: string, number: number): string {
  const iso = new Date().toISOString();
  const time = `${iso.slice(0, 10).replaceAll("-", ".")}, ${iso.slice(11, 19)}.0${iso.slice(20, 23)} UTC`;
  return number % 2 === 0
    ? `${time} -> Client "10.0.0.${number % 250}" subscribed to ${token}`
    : `${time} -> Connecting to ${token}:8080`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A line of an nginx access log of now, in the combined format. */
export function webLine(token: string, number: number): string {
  const now = new Date();
  const iso = now.toISOString();
  const time = `${iso.slice(8, 10)}/${MONTHS[now.getUTCMonth()]!}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
  return `203.0.113.${number % 250} - - [${time}] "GET /item/${token} HTTP/1.1" ${number % 7 === 0 ? 404 : 200} ${number} "-" "curl/8.5.0"`;
}

export function appLine(token: string, number: number): string {
  return `${token} worker ${number % 8} said ${(number * 2_654_435_761) >>> 0}: "fine" – ünïcödé`;
}

/** Rotates with Debian's logrotate; each file has a state folder of its own. */
export async function rotate(
  writer: Pick<LogWriter, "name" | "path">,
  stateFolder: string,
  options: readonly string[],
): Promise<void> {
  const folder = join(stateFolder, `logrotate-${writer.name}`);
  await mkdir(folder, { recursive: true });
  await logrotate(writer.path, folder, options);
}

/** mulberry32: the same numbers for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What became of the tokens in one place. */
export interface Tally {
  readonly missing: readonly string[];
  /** Tokens that are there more than once, each as often as it is there too many. */
  readonly doubled: readonly string[];
  readonly unknown: readonly string[];
}

export function tally(expected: readonly string[], found: readonly string[]): Tally {
  const times = new Map(expected.map((token) => [token, 0]));
  const doubled: string[] = [];
  const unknown: string[] = [];
  for (const token of found) {
    const seen = times.get(token);
    if (seen === undefined) unknown.push(token);
    else {
      if (seen > 0) doubled.push(token);
      times.set(token, seen + 1);
    }
  }
  return { missing: expected.filter((token) => times.get(token) === 0), doubled, unknown };
}

/** The token of each text; a text without one is counted as itself. */
export function tokensOf(texts: Iterable<string>): string[] {
  const tokens: string[] = [];
  for (const text of texts) tokens.push(TOKEN.exec(text)?.[0] ?? text);
  return tokens;
}
