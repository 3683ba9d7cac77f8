import { beginsRequest, beginsResponse, headEnd, headerOf, mayBeginRequest, parseHead, type HttpHead } from "./head.ts";

/** Takes what one side of an HTTP/1 connection says. */
export interface HttpMessages {
  /** The head of a message. The answer says how long its body is. */
  head(head: HttpHead): BodyRule;
  /** The message is over; `bodyBytes` of its body were on the wire, without what chunked coding adds. */
  end(bodyBytes: number, isWhole: boolean): void;
}

/**
 * `none`: no body whatever the head says; `by_head`: as its headers say, and without that none; `until_close`: as its
 * headers say, and without that all that follows; `tunnel`: no HTTP follows.
 */
export type BodyRule = "none" | "by_head" | "until_close" | "tunnel";

const MAX_HEAD_BYTES = 64 * 1024;
/** A chunk's size line, extensions included, and lines behind the last chunk. */
const MAX_LINE_BYTES = 8 * 1024;
const LF = 10;

type State = "head" | "counted" | "chunk_size" | "chunk" | "chunk_end" | "trailer" | "until_close" | "tunnel" | "lost";

/**
 * Reads one side of an HTTP/1 connection from bytes in any portions: heads are parsed, bodies are only counted. What
 * cannot be understood, and gaps where they matter, make it wait for something that looks like a head.
 */
export class MessageReader {
  readonly #messages: HttpMessages;
  readonly #isResponse: boolean;
  #state: State = "head";
  /** A head or line that is not whole. */
  #held: Buffer = Buffer.alloc(0);
  /** Bytes of the body or chunk that are still to come. */
  #left = 0;
  #bodyBytes = 0;
  #isOpen = false;
  #trailerBytes = 0;

  constructor(messages: HttpMessages, isResponse: boolean) {
    this.#messages = messages;
    this.#isResponse = isResponse;
  }

  /** No HTTP follows any more. */
  get isTunnel(): boolean {
    return this.#state === "tunnel";
  }

  /** The other side has turned the connection into something else. */
  becomeTunnel(): void {
    this.#state = "tunnel";
    this.#held = Buffer.alloc(0);
  }

  /** Takes the next bytes. Returns how far they were read: to their end, or to where a tunnel begins. */
  data(bytes: Uint8Array, at: number, end: number): number {
    while (at < end) {
      switch (this.#state) {
        case "head":
          at = this.#readHead(bytes, at, end);
          break;
        case "counted":
        case "chunk":
          at = this.#readCounted(Math.min(end - at, this.#left), at);
          break;
        case "until_close":
          this.#bodyBytes += end - at;
          return end;
        case "chunk_size":
        case "chunk_end":
        case "trailer":
          at = this.#readLine(bytes, at, end);
          break;
        case "lost":
          if (!this.#looksBegun(bytes, at, end)) return end;
          this.#state = "head";
          break;
        case "tunnel":
          return at;
      }
    }
    return at;
  }

  /** Bytes are missing: where they lie within a body whose length is known they are counted, as if they were there. */
  gap(length: number): void {
    if (this.#state === "until_close" || this.#state === "tunnel") {
      if (this.#state === "until_close") this.#bodyBytes += length;
      return;
    }
    if ((this.#state === "counted" || this.#state === "chunk") && length <= this.#left) {
      this.#readCounted(length, 0);
      return;
    }
    this.#lose();
  }

  /** The side says nothing more. */
  end(): void {
    if (this.#isOpen) this.#finish(this.#state === "until_close");
    this.becomeTunnel();
  }

  #readHead(bytes: Uint8Array, at: number, end: number): number {
    if (this.#held.length === 0) {
      // Empty lines before a start line are to be ignored (RFC 9112 section 2.2).
      while (at < end && (bytes[at] === 13 || bytes[at] === LF)) at++;
      if (at === end) return end;
      const to = headEnd(bytes, at, end);
      if (to >= 0) {
        this.#takeHead(bytes, at, to);
        return to;
      }
      if (!(this.#isResponse ? beginsResponse : mayBeginRequest)(bytes, at, end)) {
        this.#lose();
        return end;
      }
      this.#hold(bytes, at, end, MAX_HEAD_BYTES);
      return end;
    }
    const heldBefore = this.#held.length;
    this.#hold(bytes, at, end, MAX_HEAD_BYTES + 4);
    // An empty line may have begun before.
    const to = headEnd(this.#held, Math.max(0, heldBefore - 3), this.#held.length);
    if (to >= 0) {
      const held = this.#held;
      this.#held = Buffer.alloc(0);
      this.#takeHead(held, 0, to);
      return at + to - heldBefore;
    }
    if (this.#held.length > MAX_HEAD_BYTES) this.#lose();
    return end;
  }

  #takeHead(bytes: Uint8Array, at: number, end: number): void {
    const head = parseHead(bytes, at, end);
    if (head === undefined || (head.method === undefined) !== this.#isResponse) {
      this.#lose();
      return;
    }
    this.#isOpen = true;
    this.#bodyBytes = 0;
    this.#trailerBytes = 0;
    const rule = this.#messages.head(head);
    if (rule === "tunnel") {
      this.#finish(true);
      this.#state = "tunnel";
      return;
    }
    const length = rule === "none" ? 0 : bodyLength(head);
    if (length === "chunked") this.#state = "chunk_size";
    else if (length === "unknown") {
      if (rule === "until_close") this.#state = "until_close";
      else this.#finish(true);
    } else if (length === "invalid") this.#lose();
    else {
      this.#left = length;
      this.#state = "counted";
      if (length === 0) this.#finish(true);
    }
  }

  #readCounted(length: number, at: number): number {
    this.#bodyBytes += length;
    this.#left -= length;
    if (this.#left === 0) {
      if (this.#state === "chunk") this.#state = "chunk_end";
      else this.#finish(true);
    }
    return at + length;
  }

  /** A line of chunked coding (RFC 9112 section 7.1): a size, the line end behind a chunk, or a trailer field. */
  #readLine(bytes: Uint8Array, at: number, end: number): number {
    const length = bytes.subarray(at, end).indexOf(LF);
    const to = length < 0 ? end : at + length + 1;
    this.#hold(bytes, at, to, MAX_LINE_BYTES);
    if (this.#held.at(-1) !== LF) {
      if (this.#held.length >= MAX_LINE_BYTES) this.#lose();
      return to;
    }
    const line = this.#held.toString("latin1").trim();
    this.#held = Buffer.alloc(0);
    if (this.#state === "chunk_end") {
      if (line === "") this.#state = "chunk_size";
      else this.#lose();
    } else if (this.#state === "trailer") {
      this.#trailerBytes += to - at;
      if (line === "") this.#finish(true);
      else if (this.#trailerBytes > MAX_HEAD_BYTES) this.#lose();
    } else {
      const size = /^([0-9a-fA-F]{1,12})(?:[ \t]*(?:;.*)?)?$/.exec(line);
      if (size === null) this.#lose();
      else {
        this.#left = parseInt(size[1]!, 16);
        this.#state = this.#left === 0 ? "trailer" : "chunk";
      }
    }
    return to;
  }

  /** Keeps bytes for the next call, no more than `most` in all. */
  #hold(bytes: Uint8Array, at: number, end: number, most: number): void {
    const part = bytes.subarray(at, Math.min(end, at + Math.max(0, most - this.#held.length)));
    this.#held = Buffer.concat([this.#held, part]);
  }

  #looksBegun(bytes: Uint8Array, at: number, end: number): boolean {
    return this.#isResponse ? beginsResponse(bytes, at, end) : beginsRequest(bytes, at, end);
  }

  #lose(): void {
    if (this.#isOpen) this.#finish(false);
    this.#held = Buffer.alloc(0);
    this.#state = "lost";
  }

  #finish(isWhole: boolean): void {
    this.#isOpen = false;
    this.#state = "head";
    this.#messages.end(this.#bodyBytes, isWhole);
  }
}

/** RFC 9112 section 6.3: Transfer-Encoding wins over Content-Length. */
function bodyLength(head: HttpHead): number | "chunked" | "unknown" | "invalid" {
  const coding = headerOf(head, "transfer-encoding");
  if (coding !== undefined) return /(?:^|,)\s*chunked\s*$/i.test(coding) ? "chunked" : "unknown";
  const lengths = head.headers.get("content-length");
  if (lengths === undefined) return "unknown";
  const values = new Set(lengths.flatMap((text) => text.split(",").map((each) => each.trim())));
  const [first] = values;
  return values.size === 1 && /^\d{1,15}$/.test(first!) ? Number(first) : "invalid";
}
