import { createReadStream } from "node:fs";
import { KqlSyntaxError, pointAtFault } from "../codec/kql/error.ts";
import { parseKql } from "../codec/kql/parse.ts";
import { compileGetterPredicate, type Getter } from "../codec/kql/predicate.ts";
import { errorMessage, WiretailError } from "../core/error.ts";
import { getIn } from "../core/path.ts";
import { ByteText } from "../packet/byte-text.ts";
import { CaptureReader, type CaptureEnd } from "../packet/capture/capture-reader.ts";
import { gunzipped } from "../packet/capture/gunzip.ts";
import type { CaptureMemory } from "../packet/capture/packet-batch.ts";
import { HeaderDecoder } from "../packet/headers/decode.ts";
import type { DocumentSink, PacketOutput } from "../packet/output.ts";
import { createOutput, type OutputName } from "../packet/outputs.ts";
import { DEFAULT_HTTP_FIELDS } from "../packet/http/fields.ts";
import { PacketEvents } from "../packet/packet-event.ts";
import { PacketJson } from "../packet/packet-json.ts";
import { filteredCapture } from "../packet/capture/bpf-filter.ts";
import { dissect } from "../packet/dissect.ts";
import { FIELD_TABLE_HEADER, fieldJson, fieldLine, fieldValues } from "./field-view.ts";
import { FLOW_TABLE_HEADER, flowLine } from "./flow-view.ts";
import { PACKET_TABLE_HEADER, packetLine } from "./packet-view.ts";
import { STATS_TABLE_HEADER, statsLine } from "./stats-view.ts";
import { TRANSACTION_TABLE_HEADER, transactionLine } from "./transaction-view.ts";
import { formatCount, paint, quietWriter, terminalOf, type Terminal } from "./terminal.ts";

/** What the command line says: see commands/decode.ts. */
export interface DecodeOptions {
  readonly output: OutputName;
  readonly where?: string;
  readonly filter?: string;
  readonly showCredentials?: boolean;
  readonly json?: boolean;
  readonly limit?: number;
  /** The number of the one packet to be shown field by field. */
  readonly packet?: number;
  readonly utc?: boolean;
  readonly color: boolean;
}

/** Bytes of the file at a time. */
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 10;
/** Packets between two writes. */
const BATCH_PACKETS = 1024;

/** Prints what a capture holds; `-` is standard input. Resolves with the exit code, 0 or 1. */
export async function runDecode(file: string, options: DecodeOptions): Promise<number> {
  const terminal = terminalOf(process.stdout, process.env, !options.color);
  const select = predicateOf(options.where);
  const name = file === "-" ? "standard input" : file;
  const input = file === "-" ? process.stdin : createReadStream(file, { highWaterMark: CHUNK_BYTES });
  const capture = options.filter === undefined ? gunzipped(input) : filteredCapture(gunzipped(input), options.filter);
  const write = quietWriter(process.stdout);
  const printer = printerFor(options, terminal, select);
  const reader = new CaptureReader(BATCH_PACKETS, printer.memory);
  let failure: unknown;
  let isStopped = false;
  try {
    for await (const chunk of capture) {
      if (!(await printer.print(reader, chunk, write))) {
        isStopped = true;
        break;
      }
      if (reader.isOver) break;
    }
  } catch (error) {
    failure = error;
  } finally {
    input.destroy();
  }
  // Not of the capture: a filter that tcpdump refuses, or no tcpdump.
  if (failure instanceof WiretailError && failure.hint !== undefined) throw failure;
  const end = reader.end();
  if (!isStopped) await printer.finish(write);
  const fault = isStopped ? undefined : (faultOf(failure, end) ?? printer.fault(end));
  const errors = terminalOf(process.stderr, process.env, !options.color);
  if (fault !== undefined) process.stderr.write(`${paint(errors, "red", "error:")} ${name}: ${fault}\n`);
  if (options.json !== true) process.stderr.write(`${paint(errors, "dim", printer.summary(end, reader.interfaces))}\n`);
  return fault === undefined ? 0 : 1;
}

/** What is wrong with the input, or undefined. */
function faultOf(failure: unknown, end: CaptureEnd): string | undefined {
  if (failure === undefined) return end.kind === "complete" ? undefined : end.message;
  if (end.kind === "malformed") return end.message;
  if (failure instanceof WiretailError) return failure.message;
  const code = (failure as NodeJS.ErrnoException).code ?? "";
  if (!code.startsWith("Z_")) return `cannot be read: ${errorMessage(failure)}`;
  const what =
    code === "Z_BUF_ERROR" ? "cut: the compressed data end too early" : "malformed: the compressed data are damaged";
  return `${what} (after ${end.offset} bytes of capture); ${formatCount(end.packets)} packets before that are good`;
}

function printerFor(options: DecodeOptions, terminal: Terminal, select: Select | undefined): Printer {
  if (options.packet !== undefined) return new FieldPrinter(options, terminal, select);
  return options.output === "packets"
    ? new PacketPrinter(options, terminal, select)
    : new DocumentPrinter(options, terminal, select);
}

/** Whether a document is asked for. */
type Select = (document: unknown) => boolean;
type Write = (text: string | Uint8Array) => Promise<boolean>;

/** What the printers have in common: how many were printed, and of what. */
abstract class Printer {
  protected readonly options: DecodeOptions;
  protected readonly terminal: Terminal;
  protected readonly select: Select | undefined;
  protected readonly decoder = new HeaderDecoder(BATCH_PACKETS);
  protected printed = 0;

  constructor(options: DecodeOptions, terminal: Terminal, select: Select | undefined) {
    this.options = options;
    this.terminal = terminal;
    this.select = select;
  }

  /** For the reader of the capture. */
  get memory(): CaptureMemory | undefined {
    return this.decoder.memory;
  }

  /** Prints what a chunk completes. False: no more is wanted. */
  abstract print(reader: CaptureReader, chunk: Uint8Array, write: Write): Promise<boolean>;
  /** Prints what is complete with the end of the capture. */
  abstract finish(write: Write): Promise<void>;

  /** What the capture, whole as it is, does not have. */
  fault(_end: CaptureEnd): string | undefined {
    return undefined;
  }

  protected heading(text: string): string {
    const isFirst = this.printed === 0 && this.options.json !== true;
    return isFirst ? `${paint(this.terminal, "bold", text)}\n` : "";
  }

  protected get hasEnough(): boolean {
    return this.printed >= (this.options.limit ?? Infinity);
  }

  summary(end: CaptureEnd, interfaces: readonly { readonly dropped: number | undefined }[]): string {
    const dropped = interfaces.reduce((sum, each) => sum + (each.dropped ?? 0), 0);
    const lost = dropped > 0 ? `; ${formatCount(dropped)} were dropped when they were captured` : "";
    const { output } = this.options;
    const what = output === "packets" ? "shown of" : `${output} shown, made of`;
    return `${formatCount(this.printed)} ${what} ${formatCount(end.packets)} packets read${lost}`;
  }
}

class PacketPrinter extends Printer {
  readonly #http = { ...DEFAULT_HTTP_FIELDS, showCredentials: this.options.showCredentials === true };
  readonly #events = new PacketEvents(this.#http);
  readonly #json = new PacketJson(this.#http);
  readonly #documents = new ByteText();

  async print(reader: CaptureReader, chunk: Uint8Array, write: Write): Promise<boolean> {
    const { json, utc } = this.options;
    const documents = this.#documents;
    for (const batch of reader.read(chunk)) {
      const columns = this.decoder.decode(batch);
      let text = this.heading(PACKET_TABLE_HEADER);
      documents.clear();
      const before = this.printed;
      for (let i = 0; i < batch.count && !this.hasEnough; i++) {
        const from = reader.interfaces[batch.interfaceIndex[i]!];
        if (json === true && this.select === undefined) {
          this.printed++;
          this.#json.write(batch, columns, i, from, documents);
          documents.reserve(1);
          documents.putByte(NEWLINE);
          continue;
        }
        const event = this.#events.of(batch, columns, i, from);
        if (this.select?.(event) === false) continue;
        this.printed++;
        text += json === true ? `${JSON.stringify(event)}\n` : `${packetLine(event, this.terminal, utc === true)}\n`;
      }
      if (this.printed > before && !(await write(documents.length > 0 ? documents.bytes : text))) return false;
      if (this.hasEnough) return false;
    }
    return true;
  }

  async finish(): Promise<void> {
    // Every packet was printed when it came.
  }
}

/** Prints one packet, field by field. */
class FieldPrinter extends Printer {
  async print(reader: CaptureReader, chunk: Uint8Array, write: Write): Promise<boolean> {
    const { json, packet = 0, showCredentials } = this.options;
    for (const batch of reader.read(chunk)) {
      const i = packet - batch.firstNumber;
      if (i < 0 || i >= batch.count) continue;
      const frameAt = batch.frameAt[i]!;
      const frame = batch.bytes.subarray(frameAt, frameAt + batch.capturedLength[i]!);
      const fields = fieldValues(frame, dissect(batch, i, this.decoder), showCredentials === true);
      const { columns } = this.decoder;
      const protocols = columns.paths.text(columns.path[i]!);
      this.printed = 1;
      const about = { number: packet, len: batch.originalLength[i]!, cap_len: frame.length, protocols };
      const lines = fields.map((field) => fieldLine(field, this.terminal));
      const heading = `packet ${packet}: ${formatCount(about.len)} bytes, ${formatCount(about.cap_len)} of them captured, ${protocols}`;
      const text =
        json === true
          ? JSON.stringify({ frame: about, fields: fields.map(fieldJson) })
          : [heading, paint(this.terminal, "bold", FIELD_TABLE_HEADER), ...lines].join("\n");
      await write(`${text}\n`);
      return false;
    }
    return true;
  }

  async finish(): Promise<void> {
    // Printed when it came, or not there.
  }

  override fault(end: CaptureEnd): string | undefined {
    return `there is no packet ${this.options.packet}: it holds ${formatCount(end.packets)}`;
  }
}

/** How the documents of an output look as a table. */
interface DocumentView {
  readonly header: string;
  readonly line: (document: unknown, terminal: Terminal, isUtc: boolean) => string;
}
const STATS_VIEW: DocumentView = { header: STATS_TABLE_HEADER, line: statsLine };
const VIEWS: Readonly<Partial<Record<OutputName, DocumentView>>> = {
  flows: { header: FLOW_TABLE_HEADER, line: flowLine },
  stats: STATS_VIEW,
  transactions: { header: TRANSACTION_TABLE_HEADER, line: transactionLine },
};

/** Prints the documents of an output. */
class DocumentPrinter extends Printer {
  readonly #output: PacketOutput;
  readonly #view: DocumentView;
  #text = "";
  readonly #sink: DocumentSink = {
    add: (json) => {
      if (this.hasEnough) return;
      if (this.options.json === true && this.select === undefined) {
        this.#text += `${json}\n`;
      } else {
        const document: unknown = JSON.parse(json);
        if (this.select?.(document) === false) return;
        if (this.options.json === true) this.#text += `${json}\n`;
        else
          this.#text += `${this.heading(this.#view.header)}${this.#view.line(document, this.terminal, this.options.utc === true)}\n`;
      }
      this.printed++;
    },
  };

  constructor(options: DecodeOptions, terminal: Terminal, select: Select | undefined) {
    super(options, terminal, select);
    this.#output = createOutput(
      options.output,
      options.output === "transactions" ? { show_credentials: options.showCredentials === true } : undefined,
    );
    this.#view = VIEWS[options.output] ?? STATS_VIEW;
  }

  async print(reader: CaptureReader, chunk: Uint8Array, write: Write): Promise<boolean> {
    for (const batch of reader.read(chunk)) {
      this.#output.take(batch, this.decoder.decode(batch), reader.interfaces, this.#sink);
      if (!(await this.#flush(write)) || this.hasEnough) return false;
    }
    return true;
  }

  async finish(write: Write): Promise<void> {
    this.#output.finish(this.#sink);
    await this.#flush(write);
  }

  async #flush(write: Write): Promise<boolean> {
    const text = this.#text;
    this.#text = "";
    return text === "" || (await write(text));
  }
}

function predicateOf(query: string | undefined): Select | undefined {
  if (query === undefined) return undefined;
  try {
    const predicate = compileGetterPredicate(parseKql(query));
    return (event) => {
      const get: Getter = (path) => getIn(event, path.parts, 0);
      return predicate(get);
    };
  } catch (error) {
    if (error instanceof KqlSyntaxError) process.stderr.write(`${pointAtFault(query, error)}\n`);
    throw error;
  }
}
