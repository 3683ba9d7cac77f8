import { gunzipSync } from "node:zlib";
import type { ProxyCall } from "../support/doubles/fault-proxy.ts";
import { tokenIn } from "./lines.ts";

interface PutCall {
  readonly call: ProxyCall;
  readonly tokens: readonly string[];
  /** The agent was killed before it can have known the answer. */
  isLastOfLife: boolean;
}

/** PutLogEvents calls that reached the server, as the proxy in front of it saw them. */
export class CloudWatchCalls {
  readonly #calls: PutCall[] = [];

  /** Before a call is forwarded. */
  note(call: ProxyCall): void {
    if (call.headers["x-amz-target"] !== "Logs_20140328.PutLogEvents") return;
    const body = call.headers["content-encoding"] === "gzip" ? gunzipSync(call.body) : call.body;
    const { logEvents } = JSON.parse(body.toString("utf8")) as { logEvents: readonly { message: string }[] };
    this.#calls.push({
      call,
      tokens: logEvents.map(({ message }) => tokenIn(message) ?? message),
      isLastOfLife: false,
    });
  }

  /** The agent was killed or stopped: the last call's answer may not have been taken note of. */
  killed(): void {
    const last = this.#calls.at(-1);
    if (last !== undefined) last.isLastOfLife = true;
  }

  /** Tokens of all calls that the agent cannot have had an answer for. */
  unanswered(): Set<string> {
    const tokens = new Set<string>();
    for (const { call, tokens: some, isLastOfLife } of this.#calls) {
      if (!call.answered || isLastOfLife) for (const token of some) tokens.add(token);
    }
    return tokens;
  }

  /** Calls so far. */
  get count(): number {
    return this.#calls.length;
  }

  /** Events of calls from number `from` on that were in an unanswered call of the same life before: what is counted. */
  sentAgain(from: number): number {
    const open = new Set<string>();
    let again = 0;
    for (const { call, tokens } of this.#calls.slice(from)) {
      for (const token of tokens) if (open.delete(token)) again++;
      if (!call.answered) for (const token of tokens) open.add(token);
    }
    return again;
  }
}
