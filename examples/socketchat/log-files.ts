import { createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";

/** A log that is only ever appended to. `end` resolves when everything is in the file. */
export class LogFile {
  readonly #stream: WriteStream;

  constructor(file: string) {
    this.#stream = createWriteStream(file, { flags: "a" });
  }

  write(line: string): void {
    this.#stream.write(line + "\n");
  }

  async end(): Promise<void> {
    this.#stream.end();
    await once(this.#stream, "close");
  }
}

/**
 * A line of connections.log: `2019.12.11, 20:47:14.0285 UTC -> Socket connected successfully`. The last part of the
 * time is milliseconds, padded to four digits.
 */
export function connectionLine(time: Date, message: string): string {
  const iso = time.toISOString();
  const milliseconds = iso.slice(20, 23).padStart(4, "0");
  return `${iso.slice(0, 10).replaceAll("-", ".")}, ${iso.slice(11, 19)}.${milliseconds} UTC -> ${message}`;
}

export interface AccessEntry {
  readonly address: string;
  readonly user: string | undefined;
  readonly time: Date;
  readonly method: string;
  readonly target: string;
  readonly httpVersion: string;
  readonly status: number;
  readonly bytes: number;
  readonly referrer: string | undefined;
  readonly userAgent: string | undefined;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A line of an access log in nginx's `combined` format. */
export function accessLine(entry: AccessEntry): string {
  const iso = entry.time.toISOString();
  const stamp = `${iso.slice(8, 10)}/${MONTHS[entry.time.getUTCMonth()]!}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
  const request = `${entry.method} ${escaped(entry.target)} HTTP/${entry.httpVersion}`;
  return (
    `${entry.address} - ${escaped(entry.user)} [${stamp}] "${request}" ${entry.status} ${entry.bytes} ` +
    `"${escaped(entry.referrer)}" "${escaped(entry.userAgent)}"`
  );
}

/** As nginx writes variables into a log: quotes, backslashes and everything outside printable ASCII as \xHH. */
function escaped(text: string | undefined): string {
  if (text === undefined || text === "") return "-";
  return Buffer.from(text, "utf8")
    .toString("latin1")
    .replace(/["\\]|[^ -~]/g, (c) => "\\x" + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"));
}
