import type { LineBatch, LineBytes, Partition } from "../../core/batch.ts";
import type { DocumentSink } from "../../packet/output.ts";

/** A batch is handed over at so many documents, or characters of them. */
const FULL_DOCUMENTS = 1024;
const FULL_CHARACTERS = 512 * 1024;

/** What a batch of documents is beyond them. */
interface Origin {
  readonly partition: Partition;
  readonly readAtMs: number;
}

/**
 * Gathers the documents of one output of one capture into batches. They are numbered from 0 in their partition, so the
 * same capture gives the same ids; those before `from` were taken by everybody earlier and are only counted.
 */
export class DocumentBatches implements DocumentSink {
  readonly #partition: Partition;
  readonly #from: number;
  #documents: string[] = [];
  #characters = 0;
  /** Documents so far, those of earlier runs included. */
  count = 0;

  constructor(partition: Partition, from: number) {
    this.#partition = partition;
    this.#from = from;
  }

  add(json: string): void {
    if (this.count++ < this.#from) return;
    this.#documents.push(json);
    this.#characters += json.length;
  }

  get isFull(): boolean {
    return this.#documents.length >= FULL_DOCUMENTS || this.#characters >= FULL_CHARACTERS;
  }

  /** Everything gathered, or undefined where there is nothing. `inputBytes`: how much of the capture it stands for. */
  take(readAtMs: number, inputBytes: number): LineBatch | undefined {
    const documents = this.#documents;
    if (documents.length === 0) return undefined;
    this.#documents = [];
    this.#characters = 0;
    const first = this.count - documents.length;
    return batchOf(documents, first, inputBytes, { partition: this.#partition, readAtMs });
  }
}

function batchOf(documents: readonly string[], first: number, byteLength: number, origin: Origin): LineBatch {
  const count = documents.length;
  const text = documents.join("\n");
  const bytes = Buffer.from(text);
  const [starts, ends] = [new Int32Array(count), new Int32Array(count)];
  const offsets = new Float64Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    starts[i] = at;
    ends[i] = at += documents[i]!.length;
    offsets[i] = first + i;
    at++;
  }
  const lines = bytes.length === text.length ? { bytes, starts, ends } : linesOf(documents, bytes);
  return {
    ...origin,
    ...{ count, areDocuments: true, lines, text, starts, ends, offsets },
    ...{ endPosition: first + count, resume: null, byteLength, flags: undefined },
  };
}

/** Where documents lie in their bytes when some characters have several. */
function linesOf(documents: readonly string[], bytes: Buffer): LineBytes {
  const [starts, ends] = [new Int32Array(documents.length), new Int32Array(documents.length)];
  let at = 0;
  for (let i = 0; i < documents.length; i++) {
    starts[i] = at;
    ends[i] = at += Buffer.byteLength(documents[i]!);
    at++;
  }
  return { bytes, starts, ends };
}
