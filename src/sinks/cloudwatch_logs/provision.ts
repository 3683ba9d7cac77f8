import type { LogGroupClass } from "@aws-sdk/client-cloudwatch-logs";
import type { Log, Verdict } from "../../core/component.ts";
import type { LogsApi } from "./api.ts";
import { classify, type Fault } from "./faults.ts";

export interface Destination {
  readonly group: string;
  readonly stream: string;
}

export interface ProvisionOptions {
  readonly create: boolean;
  readonly retentionInDays: number | undefined;
  readonly logGroupClass: LogGroupClass | undefined;
  readonly tags: Readonly<Record<string, string>> | undefined;
}

const MAX_REMEMBERED_GROUPS = 1000;

/** Makes groups and streams that are missing, where that is allowed, and sees to the retention of the groups. */
export class Provisioner {
  readonly #api: LogsApi;
  readonly #options: ProvisionOptions;
  readonly #log: Log;
  readonly #checkedGroups = new Set<string>();

  constructor(api: LogsApi, options: ProvisionOptions, log: Log) {
    this.#api = api;
    this.#options = options;
    this.#log = log;
  }

  /** Makes what a call missed. Resolves with undefined when the call can be repeated, otherwise with what to answer. */
  async provision(destination: Destination, signal: AbortSignal): Promise<Verdict | undefined> {
    const { group, stream } = destination;
    if (!this.#options.create) {
      const reason = `log group ${group} or its stream ${stream} does not exist, and create is false`;
      return {
        outcome: "hold",
        reason: `${reason}: create them, or set create to true and grant logs:CreateLogGroup and logs:CreateLogStream`,
      };
    }
    const first = await attempt("logs:CreateLogStream", () => this.#api.createLogStream(group, stream, signal));
    if (first === undefined || first.kind === "exists") return undefined;
    if (first.kind !== "missing") return this.#refused(first);
    const { logGroupClass, tags } = this.#options;
    const made = await attempt("logs:CreateLogGroup", () =>
      this.#api.createLogGroup(group, { logGroupClass, tags }, signal),
    );
    if (made !== undefined && made.kind !== "exists") return this.#refused(made);
    if (made === undefined) this.#log.info(`made log group ${group}`);
    this.#checkedGroups.delete(group);
    await this.keepRetention(group, signal);
    const second = await attempt("logs:CreateLogStream", () => this.#api.createLogStream(group, stream, signal));
    return second === undefined || second.kind === "exists" ? undefined : this.#refused(second);
  }

  /** Sets the group's retention where it is another one; once a group. Failures are said, and hold nothing up. */
  async keepRetention(group: string, signal: AbortSignal): Promise<void> {
    const days = this.#options.retentionInDays;
    if (days === undefined || this.#checkedGroups.has(group)) return;
    if (this.#checkedGroups.size >= MAX_REMEMBERED_GROUPS) this.#checkedGroups.clear();
    this.#checkedGroups.add(group);
    let present: { retentionInDays: number | undefined } | undefined;
    const unseen = await attempt("logs:DescribeLogGroups", async () => {
      present = await this.#api.describeLogGroup(group, signal);
    });
    if (unseen === undefined && (present === undefined || present.retentionInDays === days)) return;
    const failed = await attempt("logs:PutRetentionPolicy", () => this.#api.putRetentionPolicy(group, days, signal));
    if (failed === undefined) return this.#log.info(`set the retention of log group ${group} to ${days} days`);
    // A group that is not there yet gets its retention when it is made.
    if (failed.kind === "missing") return;
    this.#log.warn(`cannot set the retention of log group ${group} to ${days} days: ${failed.reason}`);
    if (failed.kind === "retry" || failed.kind === "unanswered") this.#checkedGroups.delete(group);
  }

  #refused(fault: Fault): Verdict {
    if (fault.kind === "credentials") this.#api.renew();
    return toVerdict(fault);
  }
}

/** Undefined when it went well. */
async function attempt(action: string, call: () => Promise<void>): Promise<Fault | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return classify(error, action);
  }
}

/** What a fault that no document is to blame for means for the documents of the call. */
export function toVerdict(fault: Fault): Verdict {
  switch (fault.kind) {
    case "retry":
      return fault.retryAfterMs === undefined
        ? { outcome: "retry", reason: fault.reason }
        : { outcome: "retry", reason: fault.reason, retryAfterMs: fault.retryAfterMs };
    case "unanswered":
    case "missing":
    case "exists":
    case "accepted":
      return { outcome: "retry", reason: fault.reason };
    case "invalid":
    case "event_too_large":
    case "credentials":
    case "hold":
      return { outcome: "hold", reason: fault.reason };
  }
}
