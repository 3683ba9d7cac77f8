import { randomBytes } from "node:crypto";
import { networkInterfaces } from "node:os";
import type { Partition } from "../../core/batch.ts";
import type { InputStatus, SourceContext, SourceOutput } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import { formatIsoTime } from "../../core/time.ts";
import { createOutput } from "../../packet/outputs.ts";
import {
  addCounts,
  countsDocument,
  countsOfRun,
  subtractCounts,
  type CaptureCounts,
  type RunCounts,
} from "./capture-counts.ts";
import { CaptureFeed, type FedOutput } from "./capture-feed.ts";
import type { CaptureProcess, ChildEnd } from "./child.ts";
import { DocumentBatches } from "./document-batches.ts";
import { NO_COUNTS, type Driver } from "./drivers/driver.ts";
import type { PacketOptions } from "./options.ts";
import type { OwnConnections } from "./own-connections.ts";

const FIRST_DELAY_MS = 1000;
/** A run this long was a success: the next pause is the shortest again. */
const STABLE_MS = 60_000;
/** How long documents may wait to be handed over together. */
const FLUSH_MS = 200;
/** Packets of the kernel's buffer are this late at most: what is older than that and not here is not coming. */
const LATENESS_MS = 3000;

/** What a capture on one interface, or of one command, is made of. */
export interface LiveOptions {
  readonly options: PacketOptions;
  readonly context: SourceContext;
  readonly driver: Driver;
  /** Starts it; `onLine` is given what it says. */
  readonly start: (onLine: (line: string) => void) => CaptureProcess;
  /** As `status` names it. */
  readonly name: string;
  /** Undefined for a command: what it captures on is its own business. */
  readonly interfaceName: string | undefined;
  readonly own: OwnConnections | undefined;
}

/** A program that captures, started again when it ends, and what is made of its packets. */
export class LiveCapture {
  readonly #live: LiveOptions;
  #state: InputStatus["state"] = "waiting";
  #error: string | undefined;
  #partition: string | undefined;
  /** Of runs that are over. */
  #counts: CaptureCounts | undefined;
  #reported: CaptureCounts | undefined;
  #outputCounters: Record<string, number> = {};
  #bytes = 0;
  #restarts = 0;
  #run: { readonly feed: CaptureFeed; readonly counts: RunCounts & { isOver: boolean } } | undefined;

  constructor(live: LiveOptions) {
    this.#live = live;
  }

  /** Captures until the signal aborts; a command, with `once`, until it ends. */
  async run(to: SourceOutput, signal: AbortSignal): Promise<void> {
    const { context, driver, options, name, interfaceName } = this.#live;
    const endsByItself = interfaceName === undefined && context.once;
    for (let failures = 0; !signal.aborted;) {
      const began = context.monotonicMs();
      const { end, said } = await this.#capture(to, signal);
      if (signal.aborted) break;
      const text = end.isMissing ? driver.missing : `${name}: ${driver.name} ${end.text}${said}`;
      if (endsByItself && end.ok) break;
      this.#state = "failed";
      this.#error = text;
      if (context.once) throw new WiretailError("WT_SOURCE_FAILED", text);
      failures = context.monotonicMs() - began >= STABLE_MS ? 1 : failures + 1;
      const most = Math.min(options.restart_max_delay_ms, FIRST_DELAY_MS * 2 ** Math.min(failures - 1, 20));
      const delayMs = Math.round(most * (0.75 + Math.random() / 2));
      context.log.error(`${text}; started again in ${delayMs} ms`);
      await context.sleep(delayMs, signal);
      this.#restarts++;
    }
    this.#state = "finished";
  }

  get #drops(): "estimated" | "unknown" | undefined {
    return this.#live.driver.drops?.(this.#live.options);
  }

  input(): InputStatus {
    const readBytes = this.#bytes + (this.#run?.feed.bytes ?? 0);
    return {
      ...{ name: this.#live.name, partition: this.#partition, state: this.#state, error: this.#error },
      ...{ sizeBytes: undefined, readBytes },
    };
  }

  /** What became of the packets until now, and what the outputs count. */
  counters(): Readonly<Record<string, number>> {
    const now = this.#run?.feed.counters() ?? {};
    const names = new Set([...Object.keys(this.#outputCounters), ...Object.keys(now)]);
    const outputs = [...names].map((name) => [name, (this.#outputCounters[name] ?? 0) + (now[name] ?? 0)] as const);
    const marks = this.#drops === undefined ? {} : { [`dropped_counts_${this.#drops}`]: 1 };
    return { ...this.#total(), ...marks, restarts: this.#restarts, ...Object.fromEntries(outputs) };
  }

  #total(): CaptureCounts {
    const now = this.#run === undefined ? undefined : countsOfRun(this.#run.counts);
    return now === undefined ? addCounts(this.#counts, ZERO) : addCounts(this.#counts, now);
  }

  async #capture(to: SourceOutput, signal: AbortSignal): Promise<{ end: ChildEnd; said: string }> {
    const { context, driver, interfaceName, options } = this.#live;
    const { feed, reports } = await this.#openFeed(to);
    if (signal.aborted) return { end: { ok: true, isMissing: false, text: "" }, said: "" };
    const run = { feed, counts: this.#runCounts(feed) };
    this.#run = run;
    let last = "";
    let remedy: string | undefined;
    const child = this.#live.start((line) => {
      const counts = driver.counts(line, run.counts.driver);
      if (counts !== undefined) run.counts.driver = counts;
      else if (!driver.isNoise(line)) {
        last = line;
        remedy = driver.remedy(line, interfaceName ?? "") ?? remedy;
      }
      if (driver.isListening(line)) [this.#state, this.#error] = ["reading", undefined];
    });
    const onAbort = (): void => child.stop();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) child.stop();
    const ticker = new Ticker();
    ticker.every(FLUSH_MS, () => feed.flush());
    if (interfaceName !== undefined) {
      ticker.every(1000, () => feed.advance(context.now() - LATENESS_MS));
      ticker.every(options.count_interval_seconds * 1000, () => this.#report(reports, to));
      ticker.every(COUNTS_MS, () => Promise.resolve(child.askCounts()));
    }
    let end: ChildEnd;
    try {
      for await (const chunk of child.stdout) {
        this.#state = "reading";
        await feed.take(chunk);
        // What follows cannot be understood: a new run begins anew.
        if (feed.isOver) break;
      }
    } finally {
      ticker.stop();
      child.stop();
      // Also when nobody takes documents any more: nothing of ours goes on behind.
      end = await child.ended;
      signal.removeEventListener("abort", onAbort);
    }
    const capture = await feed.finish();
    run.counts.isOver = true;
    if (driver.tellCounts === undefined) takeStatistics(run.counts, feed);
    await this.#report(reports, to);
    this.#counts = this.#total();
    this.#bytes += feed.bytes;
    for (const [name, value] of Object.entries(feed.counters()))
      this.#outputCounters[name] = (this.#outputCounters[name] ?? 0) + value;
    this.#run = undefined;
    if (capture.kind === "malformed" || (capture.kind === "foreign" && capture.packets === 0 && feed.bytes > 0))
      last ||= capture.message;
    const said = [last === "" ? "" : `: ${last}`, remedy === undefined ? "" : `; ${remedy}`].join("");
    return { end, said };
  }

  #runCounts(feed: CaptureFeed): RunCounts & { driver: RunCounts["driver"]; own: number; isOver: boolean } {
    const { interfaceName } = this.#live;
    return {
      get decoded() {
        return feed.packets;
      },
      own: 0,
      driver: NO_COUNTS,
      isOver: false,
      isCountedTwice: interfaceName === undefined || interfaceName === "lo" || interfaceName === "any",
    };
  }

  async #openFeed(to: SourceOutput): Promise<{ feed: CaptureFeed; reports: DocumentBatches | undefined }> {
    const { context, options, interfaceName, own } = this.#live;
    const envelope = { ...context.envelope, offsetPath: undefined };
    const open = async (what: string): Promise<string> => {
      const id = randomBytes(12).toString("base64url");
      const identity = { session: interfaceName ?? this.#live.name, output: what, started_ms: context.now() };
      await to.open({ id, identity, startPosition: 0 });
      return id;
    };
    const machine = interfaceName === undefined ? {} : { isOwn: isOwnAddress };
    const outputs: FedOutput[] = [];
    for (const name of options.outputs)
      outputs.push({
        name,
        output: createOutput(name, options[name], machine),
        partitionId: await open(name),
        from: 0,
      });
    this.#partition = outputs[0]!.partitionId;
    const counts: Partition | undefined =
      interfaceName === undefined ? undefined : { id: await open("counts"), source: context.id, envelope };
    const feed = new CaptureFeed({
      ...{ context, envelope, to, outputs },
      ...(interfaceName === undefined ? {} : { interfaceName }),
      ...(own === undefined
        ? {}
        : {
            leaveOut: (batch, columns) => {
              const left = own.leaveOut(batch, columns);
              if (this.#run !== undefined) (this.#run.counts as { own: number }).own += left;
              return left > 0;
            },
          }),
    });
    return { feed, reports: counts === undefined ? undefined : new DocumentBatches(counts, 0) };
  }

  /** Ships what became of the packets since the last time. */
  async #report(reports: DocumentBatches | undefined, to: SourceOutput): Promise<void> {
    const { context, interfaceName, driver, own } = this.#live;
    if (reports === undefined || interfaceName === undefined) return;
    own?.trim();
    const total = this.#total();
    const counts = subtractCounts(total, this.#reported);
    this.#reported = total;
    const now = context.now();
    const end = formatIsoTime(now);
    const start = formatIsoTime(this.#reportedMs ?? now);
    this.#reportedMs = now;
    reports.add(countsDocument(interfaceName, driver.name, counts, start, end, this.#drops));
    const batch = reports.take(now, 0);
    if (batch !== undefined) await to.emit(batch);
  }
  #reportedMs: number | undefined;
}

let ownAddresses = new Set<string>();
let ownAddressesAtMs = -Infinity;

/** Whether an address is one of this machine's; they are looked up again each 10 seconds. */
function isOwnAddress(ip: string): boolean {
  if (performance.now() - ownAddressesAtMs > 10_000) {
    ownAddressesAtMs = performance.now();
    ownAddresses = new Set(
      Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
    );
  }
  return ownAddresses.has(ip);
}

/** How often the capturing program is asked for its counts. */
const COUNTS_MS = 5000;

const ZERO = countsOfRun({ decoded: 0, own: 0, driver: NO_COUNTS, isOver: false, isCountedTwice: true });

/** Counts that the capture itself has at its end (pcapng's interface statistics), where the program said none. */
function takeStatistics(counts: { driver: RunCounts["driver"] }, feed: CaptureFeed): void {
  if (counts.driver.captured > 0) return;
  const dropped = feed.interfaces.reduce((sum, each) => sum + (each.dropped ?? 0), 0);
  counts.driver = { ...counts.driver, captured: feed.packets, droppedByKernel: dropped };
}

/** Does things now and then, each not again before it is done, until it is stopped. */
class Ticker {
  readonly #timers: NodeJS.Timeout[] = [];

  every(ms: number, act: () => Promise<void>): void {
    let isBusy = false;
    const timer = setInterval(() => {
      if (isBusy) return;
      isBusy = true;
      void act().finally(() => (isBusy = false));
    }, ms);
    this.#timers.push(timer);
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }
}
