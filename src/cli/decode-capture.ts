import { createReadStream } from "node:fs";
import { KqlSyntaxError, pointAtFault } from "../codec/kql/error.ts";
import { parseKql } from "../codec/kql/parse.ts";
import { compileGetterPredicate, type Getter } from "../codec/kql/predicate.ts";
import { errorMessage } from "../core/error.ts";
import { getIn } from "../core/path.ts";
import { CaptureReader, type CaptureEnd } from "../packet/capture/capture-reader.ts";
import { gunzipped } from "../packet/capture/gunzip.ts";
import { HeaderDecoder } from "../packet/headers/decode.ts";
import { PacketEvents, type PacketEvent } from "../packet/packet-event.ts";
import { PACKET_TABLE_HEADER, packetLine } from "./packet-view.ts";
import { formatCount, paint, quietWriter, terminalOf, type Terminal } from "./terminal.ts";

/** What the command line says: see commands/decode.ts. */
export interface DecodeOptions {
  readonly output: "packets";
  readonly where?: string;
  readonly json?: boolean;
  readonly limit?: number;
  readonly utc?: boolean;
  readonly color: boolean;
}

/** Packets between two writes. */
const BATCH_PACKETS = 1024;

/** Prints what a capture holds; `-` is standard input. Resolves with the exit code, 0 or 1. */
export async function runDecode(file: string, options: DecodeOptions): Promise<number> {
  const terminal = terminalOf(process.stdout, process.env, !options.color);
  const select = predicateOf(options.where);
  const name = file === "-" ? "standard input" : file;
  const input = file === "-" ? process.stdin : createReadStream(file);
  const write = quietWriter(process.stdout);
  const printer = new Printer(options, terminal, select);
  const reader = new CaptureReader(BATCH_PACKETS);
  let failure: unknown;
  let isStopped = false;
  try {
    for await (const chunk of gunzipped(input)) {
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
  const end = reader.end();
  const fault = isStopped ? undefined : faultOf(failure, end);
  const errors = terminalOf(process.stderr, process.env, !options.color);
  if (fault !== undefined) process.stderr.write(`${paint(errors, "red", "error:")} ${name}: ${fault}\n`);
  if (options.json !== true) process.stderr.write(`${paint(errors, "dim", printer.summary(end, reader.interfaces))}\n`);
  return fault === undefined ? 0 : 1;
}

/** What is wrong with the input, or undefined. */
function faultOf(failure: unknown, end: CaptureEnd): string | undefined {
  if (failure === undefined) return end.kind === "complete" ? undefined : end.message;
  if (end.kind === "malformed") return end.message;
  const code = (failure as NodeJS.ErrnoException).code ?? "";
  if (!code.startsWith("Z_")) return `cannot be read: ${errorMessage(failure)}`;
  const what =
    code === "Z_BUF_ERROR" ? "cut: the compressed data end too early" : "malformed: the compressed data are damaged";
  return `${what} (after ${end.offset} bytes of capture); ${formatCount(end.packets)} packets before that are good`;
}

class Printer {
  readonly #options: DecodeOptions;
  readonly #terminal: Terminal;
  readonly #select: ((event: PacketEvent) => boolean) | undefined;
  readonly #decoder = new HeaderDecoder(BATCH_PACKETS);
  readonly #events = new PacketEvents();
  #printed = 0;

  constructor(options: DecodeOptions, terminal: Terminal, select: ((event: PacketEvent) => boolean) | undefined) {
    this.#options = options;
    this.#terminal = terminal;
    this.#select = select;
  }

  /** Prints the packets that a chunk completes. False: no more are wanted. */
  async print(reader: CaptureReader, chunk: Uint8Array, write: (text: string) => Promise<boolean>): Promise<boolean> {
    const { json, limit = Infinity, utc } = this.#options;
    for (const batch of reader.read(chunk)) {
      const columns = this.#decoder.decode(batch);
      let text = "";
      if (this.#printed === 0 && json !== true) text = `${paint(this.#terminal, "bold", PACKET_TABLE_HEADER)}\n`;
      const before = this.#printed;
      for (let i = 0; i < batch.count && this.#printed < limit; i++) {
        const event = this.#events.of(batch, columns, i, reader.interfaces[batch.interfaceIndex[i]!]);
        if (this.#select?.(event) === false) continue;
        this.#printed++;
        text += json === true ? `${JSON.stringify(event)}\n` : `${packetLine(event, this.#terminal, utc === true)}\n`;
      }
      if (this.#printed > before && !(await write(text))) return false;
      if (this.#printed >= limit) return false;
    }
    return true;
  }

  summary(end: CaptureEnd, interfaces: readonly { readonly dropped: number | undefined }[]): string {
    const dropped = interfaces.reduce((sum, each) => sum + (each.dropped ?? 0), 0);
    const lost = dropped > 0 ? `; ${formatCount(dropped)} were dropped when they were captured` : "";
    return `${formatCount(this.#printed)} shown of ${formatCount(end.packets)} packets read${lost}`;
  }
}

function predicateOf(query: string | undefined): ((event: PacketEvent) => boolean) | undefined {
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
