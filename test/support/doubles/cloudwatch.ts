import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import {
  checkName,
  DAY_MS,
  DoubleError,
  HOUR_MS,
  isRecord,
  MAX_BATCH_BYTES,
  MAX_BATCH_EVENTS,
  OVERHEAD_BYTES,
  RETENTION_DAYS,
} from "./cloudwatch-rules.ts";

/** An event as it was accepted. */
export interface StoredEvent {
  readonly timestamp: number;
  readonly message: string;
}

export interface DoubleGroup {
  readonly logGroupClass: string;
  readonly tags: Readonly<Record<string, string>>;
  retentionInDays: number | undefined;
  readonly streams: Map<string, StoredEvent[]>;
}

/**
 * What the next call of an operation gets instead of an answer: an error by name, silence, or a connection that is cut
 * before or after the call took effect (the ambiguous case).
 */
export type Fault =
  | { readonly error: string; readonly status?: number; readonly message?: string; readonly retryAfterSeconds?: number }
  | "hang"
  | "reset_before"
  | "reset_after";

export interface DoubleCall {
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly gzip: boolean;
  /** The name of the error that was answered, or undefined. */
  error: string | undefined;
}

export interface CloudWatchDoubleOptions {
  readonly now?: () => number;
  /** Of one event, its 26 bytes included: 1,048,576 (today's) or 262,144 (older regions). */
  readonly maxEventBytes?: number;
  /** Events for which a whole request is refused, for reasons that no published rule gives. */
  readonly refuses?: (event: StoredEvent) => boolean;
  /** Access keys that are known; others get UnrecognizedClientException. All, when left out. */
  readonly accessKeyIds?: readonly string[];
}

export interface CloudWatchDouble {
  readonly url: string;
  readonly groups: Map<string, DoubleGroup>;
  readonly calls: DoubleCall[];
  /** Operations that answer AccessDeniedException. */
  readonly denied: Set<string>;
  /** Faults for the next calls of an operation, in order; undefined lets one pass. */
  script(operation: string, ...faults: (Fault | undefined)[]): void;
  /** Every call of the operation fails so, until undefined is given. */
  always(operation: string, fault: Fault | undefined): void;
  /** Accepted events of a stream, in order of acceptance. */
  events(group: string, stream: string): readonly StoredEvent[];
  stop(): Promise<void>;
}

/**
 * CloudWatch Logs as its API reference describes it, on a loopback port: AWS JSON 1.1, every published limit of
 * PutLogEvents enforced, faults by script. It is stricter than any emulator and knows nothing of signatures but the
 * access key.
 */
export async function startCloudWatchDouble(options: CloudWatchDoubleOptions = {}): Promise<CloudWatchDouble> {
  const service = new Service(options);
  const scripted = new Map<string, (Fault | undefined)[]>();
  const standing = new Map<string, Fault>();
  const denied = new Set<string>();
  const calls: DoubleCall[] = [];

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const raw = await readBody(request);
    const gzip = request.headers["content-encoding"] === "gzip";
    const operation = /^Logs_20140328\.(\w+)$/.exec(String(request.headers["x-amz-target"]))?.[1] ?? "";
    let input: unknown;
    const call: DoubleCall = { operation, input: {}, gzip, error: undefined };
    calls.push(call);
    try {
      if (request.headers["content-type"] !== "application/x-amz-json-1.1")
        throw new DoubleError("UnknownOperationException", "content type");
      checkCredentials(request, options.accessKeyIds);
      if (Number(request.headers["content-length"]) !== raw.length)
        throw new DoubleError("SerializationException", "content length");
      input = JSON.parse((gzip ? gunzipSync(raw) : raw).toString("utf8"));
      if (!isRecord(input)) throw new DoubleError("SerializationException", "the body is not an object");
      Object.assign(call, { input });
      const fault = scripted.get(operation)?.shift() ?? standing.get(operation);
      if (fault === "hang") return;
      if (fault === "reset_before") return void request.socket.destroy();
      if (typeof fault === "object")
        throw new DoubleError(fault.error, fault.message ?? "scripted", fault.status, fault.retryAfterSeconds);
      if (denied.has(operation)) {
        throw new DoubleError(
          "AccessDeniedException",
          `User: arn:aws:iam::123456789012:user/test is not authorized to perform: logs:${operation}`,
        );
      }
      const output = service.call(operation, input);
      if (fault === "reset_after") return void request.socket.destroy();
      response.writeHead(200, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(output));
    } catch (thrown) {
      const error = thrown instanceof DoubleError ? thrown : new DoubleError("SerializationException", String(thrown));
      call.error = error.type;
      const headers: Record<string, string> = { "content-type": "application/x-amz-json-1.1" };
      if (error.retryAfterSeconds !== undefined) headers["retry-after"] = String(error.retryAfterSeconds);
      response.writeHead(error.status, headers).end(JSON.stringify({ __type: error.type, message: error.message }));
    }
  };

  const server = createServer((request, response) => {
    answer(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    groups: service.groups,
    calls,
    denied,
    script: (operation, ...faults) => void scripted.set(operation, [...(scripted.get(operation) ?? []), ...faults]),
    always: (operation, fault) =>
      void (fault === undefined ? standing.delete(operation) : standing.set(operation, fault)),
    events: (group, stream) => service.groups.get(group)?.streams.get(stream) ?? [],
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function checkCredentials(request: IncomingMessage, known: readonly string[] | undefined): void {
  const key = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/[a-z0-9-]+\/logs\/aws4_request, /.exec(
    request.headers.authorization ?? "",
  )?.[1];
  if (key === undefined) throw new DoubleError("MissingAuthenticationTokenException", "Missing Authentication Token");
  if (known !== undefined && !known.includes(key)) {
    throw new DoubleError("UnrecognizedClientException", "The security token included in the request is invalid.");
  }
}

type Input = Readonly<Record<string, unknown>>;

class Service {
  readonly groups = new Map<string, DoubleGroup>();
  readonly #now: () => number;
  readonly #maxEventBytes: number;
  readonly #refuses: (event: StoredEvent) => boolean;

  constructor(options: CloudWatchDoubleOptions) {
    this.#now = options.now ?? Date.now;
    this.#maxEventBytes = options.maxEventBytes ?? MAX_BATCH_BYTES;
    this.#refuses = options.refuses ?? (() => false);
  }

  call(operation: string, input: Input): unknown {
    switch (operation) {
      case "PutLogEvents":
        return this.#putLogEvents(input);
      case "CreateLogGroup":
        return this.#createLogGroup(input);
      case "CreateLogStream":
        return this.#createLogStream(input);
      case "PutRetentionPolicy":
        return this.#putRetentionPolicy(input);
      case "DescribeLogGroups":
        return this.#describeLogGroups(input);
      case "DescribeLogStreams":
        return this.#describeLogStreams(input);
      default:
        throw new DoubleError("UnknownOperationException", operation);
    }
  }

  #group(input: Input): DoubleGroup {
    const group = this.groups.get(checkName(input, "logGroupName"));
    if (group === undefined)
      throw new DoubleError("ResourceNotFoundException", "The specified log group does not exist.");
    return group;
  }

  #createLogGroup(input: Input): unknown {
    const name = checkName(input, "logGroupName");
    const { logGroupClass = "STANDARD", tags = {} } = input;
    if (!["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"].includes(logGroupClass as string)) {
      throw new DoubleError("InvalidParameterException", "Value at 'logGroupClass' failed to satisfy constraint");
    }
    if (this.groups.has(name))
      throw new DoubleError("ResourceAlreadyExistsException", "The specified log group already exists");
    this.groups.set(name, {
      logGroupClass: logGroupClass as string,
      tags: tags as Record<string, string>,
      retentionInDays: undefined,
      streams: new Map(),
    });
    return {};
  }

  #createLogStream(input: Input): unknown {
    const name = checkName(input, "logStreamName");
    const group = this.#group(input);
    if (group.streams.has(name))
      throw new DoubleError("ResourceAlreadyExistsException", "The specified log stream already exists");
    group.streams.set(name, []);
    return {};
  }

  #putRetentionPolicy(input: Input): unknown {
    const days = input["retentionInDays"];
    if (!RETENTION_DAYS.has(days as number)) {
      throw new DoubleError(
        "InvalidParameterException",
        `Value '${String(days)}' at 'retentionInDays' failed to satisfy constraint: not in the enum`,
      );
    }
    this.#group(input).retentionInDays = days as number;
    return {};
  }

  #describeLogGroups(input: Input): unknown {
    const prefix = input["logGroupNamePrefix"];
    const found = [...this.groups].filter(([name]) => typeof prefix !== "string" || name.startsWith(prefix)).sort();
    return {
      logGroups: found.map(([name, group]) => ({
        logGroupName: name,
        retentionInDays: group.retentionInDays,
        logGroupClass: group.logGroupClass,
      })),
    };
  }

  #describeLogStreams(input: Input): unknown {
    const prefix = input["logStreamNamePrefix"];
    const names = [...this.#group(input).streams.keys()].filter(
      (name) => typeof prefix !== "string" || name.startsWith(prefix),
    );
    return { logStreams: names.sort().map((logStreamName) => ({ logStreamName })) };
  }

  #putLogEvents(input: Input): unknown {
    const name = checkName(input, "logStreamName");
    checkName(input, "logGroupName");
    const events = this.#checkEvents(input["logEvents"]);
    const group = this.#group(input);
    const stream = group.streams.get(name);
    if (stream === undefined)
      throw new DoubleError("ResourceNotFoundException", "The specified log stream does not exist.");
    const now = this.#now();
    const tooOldEnd = countWhile(events, (event) => event.timestamp < now - 14 * DAY_MS);
    const oldest = group.retentionInDays === undefined ? -Infinity : now - group.retentionInDays * DAY_MS;
    const expiredEnd = countWhile(events, (event) => event.timestamp < oldest);
    const tooNewStart = countWhile(events, (event) => event.timestamp <= now + 2 * HOUR_MS);
    const valid = events.slice(Math.max(tooOldEnd, expiredEnd), tooNewStart);
    if (valid.length > 0 && valid.at(-1)!.timestamp - valid[0]!.timestamp > DAY_MS) {
      throw new DoubleError(
        "InvalidParameterException",
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
      );
    }
    stream.push(...valid);
    if (valid.length === events.length) return { nextSequenceToken: "ignored" };
    return {
      nextSequenceToken: "ignored",
      rejectedLogEventsInfo: {
        ...(tooOldEnd > 0 ? { tooOldLogEventEndIndex: tooOldEnd } : {}),
        ...(expiredEnd > tooOldEnd ? { expiredLogEventEndIndex: expiredEnd } : {}),
        ...(tooNewStart < events.length ? { tooNewLogEventStartIndex: tooNewStart } : {}),
      },
    };
  }

  #checkEvents(value: unknown): readonly StoredEvent[] {
    const invalid = (message: string): DoubleError => new DoubleError("InvalidParameterException", message);
    if (!Array.isArray(value) || value.length === 0 || value.length > MAX_BATCH_EVENTS) {
      throw invalid(
        "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: length between 1 and 10000",
      );
    }
    let total = 0;
    let previous = -Infinity;
    (value as unknown[]).forEach((event, index) => {
      if (!isRecord(event)) throw new DoubleError("SerializationException", "event");
      const { timestamp, message } = event;
      if (!Number.isSafeInteger(timestamp) || typeof message !== "string")
        throw new DoubleError("SerializationException", "event");
      if ((timestamp as number) < 0 || message === "") {
        throw invalid(
          `1 validation error detected: Value at 'logEvents.${index + 1}.member' failed to satisfy constraint: at least 0 / not empty`,
        );
      }
      if (Object.keys(event).length !== 2)
        throw new DoubleError("SerializationException", "unknown member of an event");
      const bytes = Buffer.byteLength(message) + OVERHEAD_BYTES;
      if (bytes > this.#maxEventBytes)
        throw invalid(`Log event too large: ${bytes} bytes exceeds limit of ${this.#maxEventBytes}`);
      total += bytes;
      if ((timestamp as number) < previous) {
        throw invalid("Log events in a single PutLogEvents request must be in chronological order.");
      }
      previous = timestamp as number;
    });
    if ((value as StoredEvent[]).some(this.#refuses)) throw invalid("an event that nobody foresaw");
    if (total > MAX_BATCH_BYTES) throw invalid(`Upload too large: ${total} bytes exceeds limit of ${MAX_BATCH_BYTES}`);
    return value as StoredEvent[];
  }
}

function countWhile<T>(items: readonly T[], holds: (item: T) => boolean): number {
  const end = items.findIndex((item) => !holds(item));
  return end === -1 ? items.length : end;
}
