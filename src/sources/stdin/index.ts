import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { pumpLines } from "../../codec/line-stream.ts";
import { encodingOption } from "../../codec/text-encoding.ts";
import {
  defineSource,
  type InputStatus,
  type Source,
  type SourceContext,
  type SourceOutput,
} from "../../core/component.ts";
import { t, type Infer } from "../../core/schema.ts";
import { encodingFaults, maxLineBytes, streamEncoding } from "../line-options.ts";

const options = t.object({
  max_line_bytes: maxLineBytes,
  encoding: streamEncoding,
});

/** Reads standard input. */
export const stdin = defineSource({
  type: "stdin",
  summary: "Reads lines from standard input until it ends",
  description:
    "What was read and not yet delivered is lost when the agent is killed, because standard input cannot be read again. " +
    "Event ids are made of a session id and the number of the line.",
  stability: "stable",
  schema: options,
  rereadable: false,
  examples: [
    {
      title: "What another program prints: tcpdump -l -i eth0 | wiretail run -c host.json",
      options: { type: "stdin" },
    },
  ],
  validate: ({ encoding }) => encodingFaults(encoding),
  create: (given, context) => new StdinSource(given, context, process.stdin),
});

/** Exported for tests, which give another stream than the process's own. */
export class StdinSource implements Source {
  readonly #options: Infer<typeof options>;
  readonly #context: SourceContext;
  readonly #input: Readable;
  #partition: string | undefined;
  #bytes = 0;
  #state: InputStatus["state"] = "waiting";
  #error: string | undefined;

  constructor(given: Infer<typeof options>, context: SourceContext, input: Readable) {
    this.#options = given;
    this.#context = context;
    this.#input = input;
  }

  async run(output: SourceOutput, signal: AbortSignal): Promise<void> {
    for (const session of output.known) output.forget(session.id);
    const id = randomBytes(12).toString("base64url");
    await output.open({ id, identity: { started_ms: this.#context.now() }, startPosition: 0 });
    const envelope = { ...this.#context.envelope, offsetPath: undefined };
    this.#partition = id;
    this.#state = "reading";
    const error = await pumpLines(
      this.#input,
      {
        maxLineBytes: this.#options.max_line_bytes,
        encoding: encodingOption(this.#options.encoding).encoding,
      },
      { id, source: this.#context.id, envelope },
      output,
      () => this.#context.now(),
      signal,
      (bytes) => (this.#bytes += bytes),
    );
    if (error !== undefined) this.#context.log.error(`standard input failed: ${error.message}`);
    this.#error = error?.message;
    this.#state = error === undefined ? "finished" : "failed";
    output.forget(id);
  }

  inputs(): readonly InputStatus[] {
    const input = { name: "standard input", partition: this.#partition, state: this.#state };
    return [{ ...input, sizeBytes: undefined, readBytes: this.#bytes, error: this.#error }];
  }
}
