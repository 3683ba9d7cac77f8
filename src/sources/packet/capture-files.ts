import { stat } from "node:fs/promises";
import type { InputStatus, KnownPartition, SourceContext, SourceOutput } from "../../core/component.ts";
import { errorMessage } from "../../core/error.ts";
import { Path } from "../../core/path.ts";
import { fileMatcher, findFiles, type FileMatcher } from "../../disk/glob.ts";
import { createOutput } from "../../packet/outputs.ts";
import { CaptureFeed, type FedOutput } from "./capture-feed.ts";
import { captureFingerprint, partitionIdOf } from "./fingerprint.ts";
import { openCaptureFile } from "./file-bytes.ts";
import { orderKeyOf, type PacketOptions } from "./options.ts";

/** What the checkpoint keeps of one output of one capture file. */
interface FileIdentity {
  readonly path: string;
  readonly fingerprint: string;
  readonly output: string;
  /** How many documents it makes; undefined until it was read to its end. */
  readonly documents: number | undefined;
}

interface KnownFile {
  state: InputStatus["state"];
  /** The size and time that it was read at. */
  version: string;
  partition: string | undefined;
  bytes: number;
  error: string | undefined;
}

/**
 * Reads capture files, each once and from its beginning: what somebody has of it already is made again and skipped, for
 * what outputs say depends on all that came before.
 */
export class CaptureFiles {
  readonly #options: PacketOptions;
  readonly #context: SourceContext;
  readonly #matcher: FileMatcher;
  readonly #files = new Map<string, KnownFile>();
  /** One array, so that all envelopes share what is prepared for their names. */
  readonly #paths: readonly Path[];
  /** Files by what they hold: a copy is not read again. */
  readonly #byFingerprint = new Map<string, string>();
  #known = new Map<string, KnownPartition>();
  #packets = 0;
  #feed: CaptureFeed | undefined;
  #counters: Record<string, number> = {};

  constructor(options: PacketOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
    this.#matcher = fileMatcher(options.files ?? [], []);
    this.#paths = [...context.envelope.paths, new Path("log.file.path")];
  }

  async run(output: SourceOutput, signal: AbortSignal): Promise<void> {
    this.#known = new Map(output.known.map((partition) => [partition.id, partition]));
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const paths = await findFiles(this.#matcher, (folder, error) => this.#tell(folder, error));
      if (isFirst && paths.length === 0)
        this.#context.log.warn("no capture files yet", { files: this.#options.files?.join(", ") ?? "" });
      for (const path of paths) {
        if (signal.aborted) return;
        await this.#look(path, output, signal);
      }
      if (isFirst) this.#forgetGone(output, paths);
      if (this.#context.once) return;
      await this.#context.sleep(this.#options.poll_interval_seconds * 1000, signal);
    }
  }

  inputs(): readonly InputStatus[] {
    return [...this.#files].map(([name, { state, partition, bytes, error }]) => ({
      ...{ name, state, partition, error, sizeBytes: undefined, readBytes: bytes },
      ...(state === "waiting" ? { waitingFor: "it has not been written to for a while" } : {}),
    }));
  }

  counters(): Readonly<Record<string, number>> {
    const now = this.#feed?.counters() ?? {};
    const packets = this.#packets + (this.#feed?.packets ?? 0);
    const names = new Set([...Object.keys(this.#counters), ...Object.keys(now)]);
    const sums = [...names].map((name) => [name, (this.#counters[name] ?? 0) + (now[name] ?? 0)] as const);
    return { decoded_packets: packets, ...Object.fromEntries(sums) };
  }

  async #look(path: string, output: SourceOutput, signal: AbortSignal): Promise<void> {
    try {
      const { size, mtimeMs } = await stat(path);
      const version = `${size} ${mtimeMs}`;
      const known = this.#files.get(path);
      if (known?.version === version && known.state !== "waiting") return;
      if (known !== undefined && known.state !== "waiting" && known.version !== version)
        this.#context.log.warn(`${path} has changed since it was read: it is taken for another capture`);
      const file: KnownFile = { state: "waiting", version, partition: undefined, bytes: 0, error: undefined };
      this.#files.set(path, file);
      const isAtRest = this.#context.now() - mtimeMs >= this.#options.settle_seconds * 1000;
      if (!this.#context.once && !isAtRest) return;
      await this.#read(path, file, output, signal);
    } catch (error) {
      this.#tell(path, error);
    }
  }

  #tell(path: string, error: unknown): void {
    const text = errorMessage(error);
    const file = this.#files.get(path);
    if (file !== undefined) Object.assign(file, { state: "failed", error: text });
    this.#context.log.error(`${path} cannot be read: ${text}`);
  }

  async #read(path: string, file: KnownFile, output: SourceOutput, signal: AbortSignal): Promise<void> {
    const fingerprint = await captureFingerprint(path);
    const twin = this.#byFingerprint.get(fingerprint);
    if (twin !== undefined && twin !== path) {
      file.state = "finished";
      this.#context.log.info(`${path} holds the same as ${twin}: it is not read again`);
      return;
    }
    this.#byFingerprint.set(fingerprint, path);
    const outputs: FedOutput[] = [];
    let isNeeded = false;
    for (const name of this.#options.outputs) {
      const id = partitionIdOf(this.#context.id, name, orderKeyOf(this.#options, name), fingerprint);
      const before = this.#known.get(id)?.identity as FileIdentity | undefined;
      const identity: FileIdentity = { path, fingerprint, output: name, documents: before?.documents };
      const from = await output.open({ id, identity, startPosition: 0 });
      isNeeded ||= before?.documents === undefined || from < before.documents;
      outputs.push({ name, output: createOutput(name, this.#options[name]), partitionId: id, from });
    }
    file.partition = outputs[0]!.partitionId;
    if (!isNeeded) {
      file.state = "finished";
      return;
    }
    await this.#decode(path, fingerprint, file, outputs, output, signal);
  }

  async #decode(
    path: string,
    fingerprint: string,
    file: KnownFile,
    outputs: readonly FedOutput[],
    output: SourceOutput,
    signal: AbortSignal,
  ): Promise<void> {
    const values = [...this.#context.envelope.values, path];
    const envelope = { paths: this.#paths, values, offsetPath: undefined };
    const feed = new CaptureFeed({ context: this.#context, envelope, to: output, outputs });
    this.#feed = feed;
    file.state = "reading";
    const capture = openCaptureFile(path, this.#options);
    let failure: unknown;
    try {
      for await (const chunk of capture.chunks) {
        await feed.take(chunk);
        file.bytes = feed.bytes;
        // To be read on after the next start: nothing of what is open may come now.
        if (signal.aborted) return;
        if (feed.isOver) break;
      }
    } catch (error) {
      failure = error;
    } finally {
      capture.close();
    }
    const end = await feed.finish();
    this.#packets += feed.packets;
    for (const [name, value] of Object.entries(feed.counters()))
      this.#counters[name] = (this.#counters[name] ?? 0) + value;
    this.#feed = undefined;
    outputs.forEach(({ name, partitionId }, i) => {
      const identity: FileIdentity = { path, fingerprint, output: name, documents: feed.documents[i]! };
      output.update(partitionId, identity);
    });
    file.error = failure === undefined ? (end.kind === "complete" ? undefined : end.message) : errorMessage(failure);
    file.state = file.error === undefined ? "finished" : "failed";
    if (file.error === undefined) this.#context.log.info(`${path} is read`, { packets: feed.packets });
    else this.#context.log.error(`${path}: ${file.error}`, { packets: feed.packets });
  }

  /** Files of earlier runs that are not there any more. */
  #forgetGone(output: SourceOutput, paths: readonly string[]): void {
    const there = new Set(paths);
    for (const { id, identity } of this.#known.values()) {
      const { path, fingerprint } = (identity ?? {}) as Partial<FileIdentity>;
      const isHere = (fingerprint !== undefined && this.#byFingerprint.has(fingerprint)) || there.has(path ?? "");
      if (!isHere) output.forget(id);
    }
  }
}
