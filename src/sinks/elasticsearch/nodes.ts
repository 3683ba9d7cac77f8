import { errorMessage } from "../../core/error.ts";

/** Pauses before a node that failed is asked again: doubling, each drawn from its upper half. */
const BASE_MS = 1_000;
const MAX_MS = 60_000;

export interface NodesOptions<T> {
  /** Milliseconds that only grow. */
  readonly monotonicMs: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /**
   * Asks a node whether it answers: a small call of its own, so that no events are risked on a node that may be dead.
   * Resolves with what is wrong, or undefined when nothing is.
   */
  readonly probe: (target: T, signal: AbortSignal) => Promise<string | undefined>;
  readonly log: (message: string, fields: Record<string, unknown>) => void;
  readonly nameOf: (target: T) => string;
}

/** Why there is no node for a call, and how long to wait at least, in milliseconds. */
export interface NoNode {
  readonly waitMs: number;
  readonly reason: string;
}

/** One node with its circuit breaker. */
export interface Node<T> {
  readonly target: T;
  /** `closed`: takes calls. `open`: left alone until `probeAtMs`. `half_open`: being probed. */
  state: "closed" | "open" | "half_open";
  /** Calls that failed since one went well. A probe that went well does not count as a call. */
  failures: number;
  probeAtMs: number;
  /** The node itself asked for a pause until then (`Retry-After`): it is not even probed before. */
  askedUntilMs: number;
  /** What was wrong with it last. */
  fault: string;
}

/**
 * The nodes of a cluster, a circuit breaker each: calls take turns on those that work. One that failed is left alone
 * for a while that grows, then probed beside the traffic, and takes calls again when it answers. So a dead node costs
 * the others nothing but the one call that found it out.
 *
 * When no node works the next call waits for probes of all: the runtime paces the calls then.
 */
export class Nodes<T> {
  readonly all: readonly Node<T>[];
  readonly #options: NodesOptions<T>;
  readonly #stop = new AbortController();
  readonly #probing = new Map<Node<T>, Promise<void>>();
  #turn = 0;

  constructor(targets: readonly T[], options: NodesOptions<T>) {
    this.#options = options;
    this.all = targets.map((target) => ({
      target,
      state: "closed",
      failures: 0,
      probeAtMs: 0,
      askedUntilMs: 0,
      fault: "",
    }));
  }

  /** The node for the next call. When none works it probes them all, and takes the first that answers. */
  async take(): Promise<Node<T> | NoNode> {
    const now = this.#options.monotonicMs();
    for (const node of this.all) if (node.state === "open" && now >= node.probeAtMs) void this.#probe(node);
    const free = this.#next(now);
    if (free !== undefined) return free;
    const candidates = this.all.filter((node) => now >= node.askedUntilMs);
    if (candidates.length === 0) {
      const waitMs = Math.min(...this.all.map((node) => node.askedUntilMs)) - now;
      return { waitMs, reason: `asked for a pause, of which ${(waitMs / 1000).toFixed(1)} s are left` };
    }
    await new Promise<void>((resolve) => {
      let left = candidates.length;
      for (const node of candidates) {
        void this.#probe(node).then(() => {
          if (--left === 0 || node.state === "closed") resolve();
        });
      }
    });
    return this.#next(this.#options.monotonicMs()) ?? { waitMs: 0, reason: candidates[0]!.fault };
  }

  /** Another node than those that works now, without any waiting. */
  other(tried: ReadonlySet<Node<T>>): Node<T> | undefined {
    const now = this.#options.monotonicMs();
    return this.all.find((node) => !tried.has(node) && isFree(node, now));
  }

  /** It answered a call, whatever it said of what the call was about. */
  worked(node: Node<T>): void {
    if (node.failures > 0) this.#options.log(`${this.#nameOf(node)} works again`, { failures: node.failures });
    node.state = "closed";
    node.failures = 0;
  }

  /** It did not answer, or said that it cannot. `askedMs` is what its `Retry-After` said. */
  failed(node: Node<T>, fault: string, askedMs = 0): void {
    const now = this.#options.monotonicMs();
    const ceiling = Math.min(MAX_MS, BASE_MS * 2 ** Math.min(node.failures, 16));
    node.failures++;
    const pauseMs = Math.max(askedMs, Math.round(ceiling * (0.5 + this.#options.random() * 0.5)));
    node.state = "open";
    node.fault = fault;
    node.probeAtMs = now + pauseMs;
    node.askedUntilMs = Math.max(node.askedUntilMs, now + askedMs);
    if (node.failures === 1 && this.all.length > 1)
      this.#options.log(`${this.#nameOf(node)} fails and is left out for now: ${fault}`, { probed_in_ms: pauseMs });
  }

  /** It works, and asked for a pause (`Retry-After` with 429). */
  paused(node: Node<T>, askedMs: number): void {
    node.askedUntilMs = Math.max(node.askedUntilMs, this.#options.monotonicMs() + askedMs);
  }

  /** The nodes that are left out at present, with the reason, where there are others. */
  notes(): string[] {
    if (this.all.length === 1) return [];
    const out = this.all.filter((node) => node.state !== "closed");
    return out.map((node) => `${this.#nameOf(node)} is left out: ${node.fault}`);
  }

  /** Gives up probes under way; resolves when none is. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#probing.values());
  }

  #next(now: number): Node<T> | undefined {
    for (let i = 0; i < this.all.length; i++) {
      const node = this.all[(this.#turn + i) % this.all.length]!;
      if (!isFree(node, now)) continue;
      this.#turn = (this.#turn + i + 1) % this.all.length;
      return node;
    }
    return undefined;
  }

  /** Calls at the same time share one probe. Never rejects. */
  #probe(node: Node<T>): Promise<void> {
    const running = this.#probing.get(node);
    if (running !== undefined) return running;
    node.state = "half_open";
    const probing = this.#options
      .probe(node.target, this.#stop.signal)
      .catch(errorMessage)
      .then((fault) => {
        this.#probing.delete(node);
        if (fault === undefined) node.state = "closed";
        else this.failed(node, fault);
      });
    this.#probing.set(node, probing);
    return probing;
  }

  #nameOf(node: Node<T>): string {
    return this.#options.nameOf(node.target);
  }
}

function isFree(node: Node<unknown>, now: number): boolean {
  return node.state === "closed" && now >= node.askedUntilMs;
}
