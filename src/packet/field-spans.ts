/** Where a field lies: so many bytes from an offset on. */
export interface FieldSpan {
  /** As tshark calls it: `ip.ttl`. */
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

/** Decoders that are given one note in it where each field lies. Only what was captured counts. */
export class FieldSpans {
  readonly spans: FieldSpan[] = [];
  readonly #from: number;
  readonly #to: number;

  /** For fields in `bytes[from…to)`, with offsets from `from` on. */
  constructor(from: number, to: number) {
    this.#from = from;
    this.#to = to;
  }

  /** Notes the field at `at`; one that is cut or empty is none. */
  add(name: string, at: number, length: number): void {
    if (length > 0 && at >= this.#from && at + length <= this.#to)
      this.spans.push({ name, offset: at - this.#from, length });
  }
}
