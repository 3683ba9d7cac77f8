import type { LineBatch } from "../../src/core/batch.ts";
import type {
  KnownPartition,
  OpenPartition,
  ResumePoint,
  SourceContext,
  SourceOutput,
} from "../../src/core/component.ts";
import { Path } from "../../src/core/path.ts";

/** One event as it arrived. */
export interface SeenEvent {
  readonly partition: string;
  readonly path: string | undefined;
  readonly offset: number;
  readonly text: string;
  readonly flags: readonly string[] | undefined;
}

interface Kept {
  identity: unknown;
  startPosition: number;
  /** By route. */
  points: (ResumePoint | undefined)[];
}

/** What survives a crash: identities, positions, and what sinks have. */
export class Durable {
  readonly partitions = new Map<string, Kept>();
  /** Events by id, as sinks that know ids hold them. */
  readonly delivered = new Map<string, SeenEvent>();
  /** Ids that came with another text than before: must stay empty. */
  readonly conflicts: string[] = [];
  /** Deliveries of an id that was there already. */
  repeats = 0;
}

/**
 * The runtime's side of a source, in memory. Batches are acked by the test (or at once with `autoAck`); only what was
 * acked, and what was opened, is found again by an output made of the same `Durable`.
 */
export class MemoryOutput implements SourceOutput {
  readonly durable: Durable;
  readonly known: readonly KnownPartition[];
  readonly batches: LineBatch[] = [];
  /** Events emitted. */
  count = 0;
  readonly drops: { count: number; reason: string }[] = [];
  readonly forgotten: string[] = [];
  readonly opened: OpenPartition[] = [];
  autoAck = true;
  /** Batches that may wait for an ack before the source has to wait. */
  room = Infinity;
  /** After a kill nothing that the source does counts. */
  killed = false;
  readonly #routes: number;
  readonly #waiting: { batch: LineBatch; acked: Set<number> }[] = [];
  #roomWaiters: (() => void)[] = [];

  constructor(durable = new Durable(), options: { routes?: number } = {}) {
    this.durable = durable;
    this.#routes = options.routes ?? 1;
    this.known = [...durable.partitions].map(([id, kept]) => {
      const positions = kept.points.map((point) => point?.position ?? kept.startPosition);
      return {
        id,
        identity: structuredClone(kept.identity),
        points: structuredClone(kept.points.filter((point) => point !== undefined)),
        lowest: positions.length === 0 ? undefined : Math.min(...positions),
      };
    });
  }

  async open(partition: OpenPartition): Promise<number> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.killed) return new Promise(() => undefined);
    this.opened.push(partition);
    let kept = this.durable.partitions.get(partition.id);
    if (kept === undefined) {
      const points = Array.from<ResumePoint | undefined>({ length: this.#routes }).fill(undefined);
      this.durable.partitions.set(
        partition.id,
        (kept = { identity: partition.identity, startPosition: partition.startPosition, points }),
      );
    }
    kept.identity = structuredClone(partition.identity);
    return Math.min(...kept.points.map((point) => point?.position ?? kept.startPosition));
  }

  update(id: string, identity: unknown): void {
    const kept = this.durable.partitions.get(id);
    if (!this.killed && kept !== undefined) kept.identity = structuredClone(identity);
  }

  forget(id: string): void {
    if (this.killed) return;
    this.forgotten.push(id);
    this.#dropForgotten();
  }

  delivered(id: string): number | undefined {
    const kept = this.durable.partitions.get(id);
    return kept === undefined ? undefined : Math.min(...kept.points.map((point) => point?.position ?? 0));
  }

  dropped(count: number, reason: string): void {
    if (!(count > 0)) throw new Error(`dropped(${count}) makes no sense`);
    if (!this.killed) this.drops.push({ count, reason });
  }

  emit(batch: LineBatch): Promise<void> | undefined {
    if (this.killed) return new Promise(() => undefined);
    check(
      batch,
      this.batches.findLast((earlier) => earlier.partition.id === batch.partition.id),
    );
    if (!this.durable.partitions.has(batch.partition.id)) throw new Error("emitted before open");
    this.batches.push(batch);
    this.count += batch.count;
    this.#waiting.push({ batch, acked: new Set() });
    if (this.autoAck) this.ackAll();
    if (this.#waiting.length < this.room) return undefined;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Batches not acked on all routes. */
  get unacked(): number {
    return this.#waiting.length;
  }

  ackAll(): void {
    this.ack(Infinity);
  }

  /** Acks the oldest `count` batches of a route (of all routes without one). */
  ack(count: number, route?: number): void {
    if (this.killed) return;
    let left = count;
    for (const each of this.#waiting) {
      if (left-- <= 0) break;
      for (let r = 0; r < this.#routes; r++) {
        if (route !== undefined && r !== route) continue;
        if (each.acked.has(r)) continue;
        each.acked.add(r);
        this.#deliver(each.batch, r);
      }
    }
    while (this.#waiting.length > 0 && this.#waiting[0]!.acked.size === this.#routes) this.#waiting.shift();
    this.#dropForgotten();
    if (this.#waiting.length < this.room) for (const resolve of this.#roomWaiters.splice(0)) resolve();
  }

  /** Delivers without moving positions: what a crash between delivery and checkpoint leaves. */
  deliverUnacked(count: number): void {
    for (const each of this.#waiting.slice(0, count)) {
      for (const event of eventsOf([each.batch])) this.#record(event, 0);
    }
  }

  events(): SeenEvent[] {
    return eventsOf(this.batches);
  }

  texts(): string[] {
    return this.events().map((event) => event.text);
  }

  #deliver(batch: LineBatch, route: number): void {
    const kept = this.durable.partitions.get(batch.partition.id)!;
    const reached = kept.points[route]?.position ?? kept.startPosition;
    // As the runtime does: a route is given only what it has not got.
    for (const event of eventsOf([batch])) if (event.offset >= reached) this.#record(event, route);
    if (batch.endPosition > reached)
      kept.points[route] = { position: batch.endPosition, resume: structuredClone(batch.resume) };
  }

  #record(event: SeenEvent, route: number): void {
    const id = `${route}/${event.partition}/${event.offset}`;
    const before = this.durable.delivered.get(id);
    if (before === undefined) this.durable.delivered.set(id, event);
    else {
      this.durable.repeats++;
      if (before.text !== event.text) this.durable.conflicts.push(`${id}: ${before.text} <> ${event.text}`);
    }
  }

  #dropForgotten(): void {
    for (const id of this.forgotten) {
      if (!this.#waiting.some((each) => each.batch.partition.id === id)) this.durable.partitions.delete(id);
    }
  }
}

/** The promises of a LineBatch. */
function check(batch: LineBatch, before: LineBatch | undefined): void {
  if (batch.count < 1) throw new Error("an empty batch");
  if (batch.starts.length < batch.count || batch.ends.length < batch.count || batch.offsets.length < batch.count)
    throw new Error("short arrays");
  let last = before === undefined ? -1 : before.endPosition - 1;
  for (let i = 0; i < batch.count; i++) {
    if (!(batch.offsets[i]! > last)) throw new Error(`offset ${batch.offsets[i]} after ${last}`);
    last = batch.offsets[i]!;
  }
  if (!(batch.endPosition > last)) throw new Error("endPosition before the last event");
  JSON.stringify(batch.resume);
}

function eventsOf(batches: readonly LineBatch[]): SeenEvent[] {
  return batches.flatMap((batch) => {
    const at = batch.partition.envelope.paths.findIndex((path) => path.name === "log.file.path");
    const path = batch.partition.envelope.values[at] as string | undefined;
    return Array.from({ length: batch.count }, (_, i) => ({
      partition: batch.partition.id,
      path,
      offset: batch.offsets[i]!,
      text: batch.text.slice(batch.starts[i], batch.ends[i]),
      flags: batch.flags?.get(i),
    }));
  });
}

/** A context on the real clock; what is logged is kept in `messages`. */
export function sourceContext(
  stateDir: string,
  options: { once?: boolean; id?: string } = {},
): SourceContext & { messages: string[] } {
  const messages: string[] = [];
  const log = (message: string, fields?: Record<string, unknown>): void =>
    void messages.push(fields === undefined ? message : `${message} ${JSON.stringify(fields)}`);
  return {
    id: options.id ?? "test",
    log: { debug: log, info: log, warn: log, error: log },
    metrics: { counter: () => ({ add: () => undefined }), gauge: () => ({ set: () => undefined }) },
    stateDir,
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve();
        const done = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal?.addEventListener("abort", done, { once: true });
      }),
    placeholders: {
      hostname: "host",
      instanceId: "i-1",
      ipAddress: "192.0.2.1",
      awsRegion: "eu-west-1",
      accountId: "1",
    },
    once: options.once ?? false,
    envelope: { paths: [new Path("host.name"), new Path("ecs.version")], values: ["host", "8.17.0"] },
    messages,
  };
}

/** Waits until the condition holds; fails with what it says last after `timeoutMs`. */
export async function until(
  condition: () => boolean,
  what: () => string = () => condition.toString(),
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
