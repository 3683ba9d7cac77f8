import { setMaxListeners } from "node:events";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "../../core/error.ts";
import type { InputStatus, Source, SourceContext, SourceOutput } from "../../core/component.ts";
import type { FileRules, Generation } from "./generation.ts";
import { fileMatcher, findFiles, type FileMatcher } from "../../disk/glob.ts";
import type { FileOptions } from "./options.ts";
import { flushDueMs, ReadBuffer, readTurn, type ReadSettings } from "./read-turn.ts";
import { Tracker } from "./tracker.ts";
import { openNotifications, type Notifications } from "./watch.ts";

/** Files read at the same time: while one waits for the disk, another's lines are worked on. */
const WORKERS = 2;
const TURN_BYTES = 4 << 20;
const TICK_MS = 100;
/** While nothing happens and nothing is going to be due, only this often: to wake up is what an idle agent costs. */
const CALM_TICK_MS = 1000;
/**
 * Notifications can be lost. So with them too, files that grew not long ago are looked at each poll interval, and the
 * folders once in so many. Of quiet files that are open the open file is asked then, which costs a tenth of looking at
 * the path (a trip to the thread pool); that is done only now and then, for what the open file does not tell: that the path
 * leads elsewhere because a folder or a link was replaced. `npm run bench:trickle` measures what it costs.
 */
const RESCAN_EVERY = 10;
const LOOK_AT_QUIET_EVERY = 30;
const BUSY_MS = 60_000;

export class FileSource implements Source {
  readonly #options: FileOptions;
  readonly #context: SourceContext;
  readonly #matcher: FileMatcher;
  readonly #rules: FileRules;
  #run: FileRun | undefined;

  constructor(options: FileOptions, context: SourceContext, rules: FileRules) {
    this.#options = options;
    this.#context = context;
    this.#rules = rules;
    const exclude = options.compressed === "read" ? options.exclude.filter((glob) => glob !== "*.gz") : options.exclude;
    this.#matcher = fileMatcher(options.include, exclude);
  }

  async run(output: SourceOutput, signal: AbortSignal): Promise<void> {
    const run = new FileRun(this.#options, this.#context, this.#matcher, this.#rules, output, signal);
    this.#run = run;
    await run.run();
  }

  inputs(): readonly InputStatus[] {
    return this.#run?.tracker.inputs() ?? [];
  }
}

/** One run of the source, from start to stop. */
class FileRun {
  readonly tracker: Tracker;
  readonly #options: FileOptions;
  readonly #context: SourceContext;
  readonly #matcher: FileMatcher;
  readonly #output: SourceOutput;
  readonly #settings: ReadSettings;
  /** Aborts when the runtime says so, and when a `once` run is through. */
  readonly #stop = new AbortController();
  readonly #ready: Generation[] = [];
  readonly #wakeups: (() => void)[] = [];
  #busy = 0;
  /** To be aborted when anything happens: the timers rest until then. */
  #calm: AbortController | undefined;
  #unreadable = new Set<string>();
  /** The last search for files was not cut short because too many files were open. */
  #sawAll = true;

  constructor(
    options: FileOptions,
    context: SourceContext,
    matcher: FileMatcher,
    rules: FileRules,
    output: SourceOutput,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#context = context;
    this.#matcher = matcher;
    this.#output = output;
    this.#settings = {
      chunkBytes: options.read_chunk_bytes,
      turnBytes: TURN_BYTES,
      idleLineFlushMs: options.idle_line_flush_ms,
      multilineFlushMs:
        options.multiline?.flush_timeout_ms ??
        (options.container === undefined ? undefined : options.idle_line_flush_ms),
      flushesAtStop: options.multiline !== undefined,
      once: context.once,
      now: () => context.now(),
      monotonicMs: () => context.monotonicMs(),
    };
    // Each of the files that are opened together listens; Node takes more than ten for a leak.
    setMaxListeners(0, this.#stop.signal);
    if (signal.aborted) this.#stop.abort();
    else signal.addEventListener("abort", () => this.#stop.abort(), { once: true });
    this.tracker = new Tracker(
      {
        matcher,
        rules,
        metadata: { fileFields: options.file_fields ?? [], isContainer: options.container !== undefined },
        startAtEnd: options.start_at === "end",
        readsArchives: options.compressed === "read",
        ignoreOlderMs: options.ignore_older_ms,
        deleteAfterMs: options.delete_delivered_after_ms,
        rotateGraceMs: options.rotate_grace_ms,
        maxOpenFiles: options.max_open_files,
      },
      context,
      output,
      (gen) => this.#schedule(gen),
      this.#stop.signal,
    );
  }

  async run(): Promise<void> {
    const signal = this.#stop.signal;
    const onAbort = (): void => {
      this.#wakeAll();
      this.#calm?.abort();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    let notifications: Notifications | undefined;
    const tasks: Promise<void>[] = [];
    try {
      const { watch } = this.#options;
      if (watch !== "poll" && !this.#context.once) {
        notifications = await this.#notifications(watch);
        await notifications.refresh();
      }
      const first = await this.#isFirstStart();
      await this.tracker.begin(await this.#find(), first && this.#options.start_at === "end");
      for (let i = 0; i < WORKERS; i++) tasks.push(this.#work());
      if (this.#context.once) tasks.push(this.#untilEnd());
      else tasks.push(this.#timers(), this.#scan(notifications));
      await Promise.all(tasks);
      await this.#flush();
    } finally {
      this.#stop.abort();
      signal.removeEventListener("abort", onAbort);
      await Promise.allSettled(tasks);
      await notifications?.close();
      await this.tracker.close();
    }
  }

  #notifications(watch: "notify" | "chokidar"): Promise<Notifications> {
    return openNotifications(watch, {
      ...{ matcher: this.#matcher, context: this.#context },
      onEvent: (path, structural) => {
        this.#calm?.abort();
        if (structural) this.tracker.check(path);
        else this.tracker.changed(path);
      },
      onFailure: (error) =>
        this.#context.log.warn(`watching files: ${errorMessage(error)}; they are still looked at regularly`),
    });
  }

  /** Files that are there at the very first start may be begun at their end; later ones never. */
  async #isFirstStart(): Promise<boolean> {
    if (this.#options.start_at !== "end") return false;
    const marker = join(this.#context.stateDir, "started");
    const exists = await stat(marker).then(
      () => true,
      () => false,
    );
    if (exists || this.#output.known.length > 0) return false;
    await mkdir(this.#context.stateDir, { recursive: true });
    await writeFile(marker, "");
    return true;
  }

  async #find(): Promise<string[]> {
    const failing = new Set<string>();
    this.#sawAll = true;
    const onError = (folder: string, error: unknown): void => {
      if (this.tracker.folderFailed(error)) return void (this.#sawAll = false);
      failing.add(folder);
      if (!this.#unreadable.has(folder)) this.#context.log.warn(`cannot look into ${folder}: ${errorMessage(error)}`);
    };
    const paths = await findFiles(this.#matcher, onError, (path) => this.tracker.isKnown(path));
    this.#unreadable = failing;
    return paths;
  }

  #schedule(gen: Generation): void {
    this.#calm?.abort();
    if (!gen.announced || gen.blockedBy !== undefined || gen.ended) return;
    if (gen.error !== undefined && gen.retryAtMs > this.#context.monotonicMs()) return;
    if (gen.busy) gen.again = true;
    else if (!gen.queued) {
      gen.queued = true;
      this.#ready.push(gen);
      this.#wakeups.pop()?.();
    }
  }

  #wakeAll(): void {
    for (const wake of this.#wakeups.splice(0)) wake();
  }

  async #work(): Promise<void> {
    const buffer = new ReadBuffer();
    while (!this.#stop.signal.aborted) {
      const gen = this.#ready.shift();
      if (gen === undefined) {
        await new Promise<void>((resolve) => this.#wakeups.push(resolve));
        continue;
      }
      gen.queued = false;
      // What has to wait since is scheduled again when it need not any more.
      if (gen.ended || gen.blockedBy !== undefined) continue;
      gen.busy = true;
      gen.again = false;
      this.#busy++;
      try {
        await this.#turn(gen, buffer);
      } finally {
        gen.busy = false;
        this.#busy--;
        if (gen.again) this.#schedule(gen);
      }
    }
  }

  async #turn(gen: Generation, buffer: ReadBuffer): Promise<void> {
    try {
      await this.#tryTurn(gen, buffer);
    } catch (error) {
      if (!gen.ended) this.tracker.failed(gen, error);
    }
  }

  async #tryTurn(gen: Generation, buffer: ReadBuffer): Promise<void> {
    if (gen.handle === undefined && !(await this.tracker.reopen(gen))) return;
    if (!gen.hasKnownHead && !(await this.tracker.announceHead(gen))) {
      this.tracker.reachedEnd(gen);
      return;
    }
    const end = gen.truncated
      ? "replaced"
      : await readTurn(gen, buffer, this.#output, this.#settings, this.#stop.signal);
    if (end !== "replaced" && ((await gen.growHead()) || gen.notedEnd !== gen.seenEnd))
      this.#output.update(gen.id, gen.identity());
    if (end !== "replaced") this.tracker.recovered(gen);
    gen.lastUsedMs = this.#context.monotonicMs();
    this.#calm?.abort();
    if (end === "replaced") await this.tracker.replaced(gen);
    else if (end === "more") gen.again = true;
    else if (end === "end" && !gen.again) this.tracker.reachedEnd(gen);
  }

  /** Hands over open multiline events before the source stops. */
  async #flush(): Promise<void> {
    if (!this.#settings.flushesAtStop || this.#context.once) return;
    const buffer = new ReadBuffer();
    const never = new AbortController().signal;
    for (const gen of this.tracker.generations) {
      if (
        !gen.announced ||
        !gen.hasKnownHead ||
        gen.handle === undefined ||
        gen.pendingBytes === 0 ||
        gen.blockedBy !== undefined
      )
        continue;
      await readTurn(gen, buffer, this.#output, this.#settings, never, true).catch(() => undefined);
    }
  }

  /** Flushes what has waited long enough, and lets the tracker do what is due. */
  async #timers(): Promise<void> {
    const { idleLineFlushMs, multilineFlushMs } = this.#settings;
    const { poll_interval_ms: pollMs } = this.#options;
    const tickMs = Math.max(10, Math.min(TICK_MS, pollMs, idleLineFlushMs / 2, (multilineFlushMs ?? Infinity) / 2));
    let isCalm = false;
    while (!this.#stop.signal.aborted) {
      await this.#pause(isCalm ? CALM_TICK_MS : tickMs);
      const nowMs = this.#context.monotonicMs();
      isCalm = !this.tracker.tick(nowMs);
      for (const gen of this.tracker.generations) {
        const dueMs = flushDueMs(gen, this.#settings);
        if (dueMs !== Infinity) isCalm = false;
        if (dueMs <= nowMs) this.#schedule(gen);
      }
      if (this.tracker.isStirred || this.#busy > 0) isCalm = false;
    }
  }

  /** Ends early when something happens during a long one. */
  async #pause(ms: number): Promise<void> {
    if (ms < CALM_TICK_MS) return this.#context.sleep(ms, this.#stop.signal);
    const calm = new AbortController();
    this.#calm = calm;
    if (!this.#stop.signal.aborted) await this.#context.sleep(ms, calm.signal);
    this.#calm = undefined;
  }

  /** Looks for files by itself: always when polling, now and then beside notifications. */
  async #scan(notifications: Notifications | undefined): Promise<void> {
    const signal = this.#stop.signal;
    for (let round = 0; !signal.aborted; round++) {
      // Of a folder that is newly watched nothing is told that happened before; so the next rounds look too.
      if (((await notifications?.refresh()) ?? false) || !this.#sawAll) round = 0;
      const isPolling = notifications === undefined;
      if (round < 2 || isPolling || round % RESCAN_EVERY === 0) {
        const paths = new Set([...(await this.#find()), ...this.tracker.paths()]);
        const quietSinceMs = this.#context.monotonicMs() - BUSY_MS;
        const looksAtQuiet = round < 2 || round % LOOK_AT_QUIET_EVERY === 0;
        for (const path of paths) {
          if (looksAtQuiet || !this.tracker.isUntouched(path, quietSinceMs)) this.tracker.check(path);
        }
      } else {
        for (const path of this.tracker.busyPaths(this.#context.monotonicMs() - BUSY_MS)) this.tracker.check(path);
      }
      if (this.tracker.isStirred) this.#calm?.abort();
      await this.#context.sleep(this.#options.poll_interval_ms, signal);
    }
  }

  /** With `once`: stops the run when all files are at their end. */
  async #untilEnd(): Promise<void> {
    const signal = this.#stop.signal;
    while (!signal.aborted) {
      this.tracker.tick(this.#context.monotonicMs());
      const idle = this.tracker.settled && this.#busy === 0 && this.#ready.length === 0;
      const waiting = [...this.tracker.generations].some(
        (gen) => !gen.ended && gen.error === undefined && !gen.drained,
      );
      if (idle && !waiting) this.#stop.abort();
      else await this.#context.sleep(5, signal);
    }
  }
}
