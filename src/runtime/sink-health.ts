import type { Log } from "../core/component.ts";
import type { Clock } from "./clock.ts";

/** `working`: sends or has nothing to send. `retrying`: the last call failed, another follows. `holding`: somebody must act. */
export type SinkState = "working" | "retrying" | "holding";

/** How a sink is, for `status` and the log: a failure is logged when it begins and then every half minute. */
export class SinkHealth {
  state: SinkState = "working";
  lastError: { readonly message: string; readonly atMs: number } | undefined;
  failingSinceMs: number | undefined;
  #loggedAtMs = -Infinity;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: { readonly name: string; readonly clock: Clock; readonly log: Log }) {
    this.#name = options.name;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** A call failed, or some documents were put off. `holds`: it will not get better by itself. */
  failed(holds: boolean, message: string, queued: number, pauseMs: number): void {
    const now = this.#clock.now();
    this.state = holds ? "holding" : "retrying";
    this.failingSinceMs ??= now;
    this.lastError = { message, atMs: now };
    if (now - this.#loggedAtMs < LOG_EVERY_MS) return;
    this.#loggedAtMs = now;
    const fields = { queued, next_attempt_in_ms: pauseMs };
    if (holds) this.#log.error(`sink "${this.#name}" holds its events until this is mended: ${message}`, fields);
    else this.#log.warn(`sink "${this.#name}" tries again: ${message}`, fields);
  }

  /** Nothing that failed is left. */
  recovered(): void {
    const now = this.#clock.now();
    this.#log.info(`sink "${this.#name}" works again`, { after_ms: now - (this.failingSinceMs ?? now) });
    this.state = "working";
    this.failingSinceMs = undefined;
    this.#loggedAtMs = -Infinity;
  }
}

const LOG_EVERY_MS = 30_000;
