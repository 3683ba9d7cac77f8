import { gzip } from "node:zlib";
import type {
  CloudWatchLogsClient,
  CloudWatchLogsClientConfig,
  LogGroupClass,
  RejectedLogEventsInfo,
} from "@aws-sdk/client-cloudwatch-logs";

/** The calls that the sink makes. They throw what the SDK throws: see `classify`. Every call is one attempt. */
export interface LogsApi {
  /** `body` is a whole PutLogEvents request (`encodeRequest`). */
  putLogEvents(body: Buffer, signal: AbortSignal): Promise<RejectedLogEventsInfo | undefined>;
  createLogGroup(group: string, options: GroupOptions, signal: AbortSignal): Promise<void>;
  createLogStream(group: string, stream: string, signal: AbortSignal): Promise<void>;
  putRetentionPolicy(group: string, days: number, signal: AbortSignal): Promise<void>;
  /** Undefined when there is no such group. */
  describeLogGroup(group: string, signal: AbortSignal): Promise<{ retentionInDays: number | undefined } | undefined>;
  hasLogStream(group: string, stream: string, signal: AbortSignal): Promise<boolean>;
  /** Whose credentials are used where. Throws when there are none. */
  identity(): Promise<{ accessKeyId: string; region: string }>;
  /** Looks for credentials anew from the next call on: files may have changed. */
  renew(): void;
  close(): void;
}

export interface GroupOptions {
  readonly logGroupClass: LogGroupClass | undefined;
  readonly tags: Readonly<Record<string, string>> | undefined;
}

export interface ApiOptions {
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly profile: string | undefined;
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined;
  readonly requestTimeoutMs: number;
  readonly compression: "gzip" | "none";
}

/** Loads the SDK. Nothing is connected to before the first call. */
export async function createApi(options: ApiOptions): Promise<LogsApi> {
  // A notice for those who upgrade the SDK, not for those who run the agent; its text would break JSON logs.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  const sdk = await import("@aws-sdk/client-cloudwatch-logs");
  const config: CloudWatchLogsClientConfig & { ignoreCache: boolean } = {
    maxAttempts: 1,
    // The SDK remembers ~/.aws/credentials for the life of the process; a renewed client has to read it again.
    ignoreCache: true,
    requestHandler: { connectionTimeout: Math.min(options.requestTimeoutMs, 10_000) },
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  };
  let client: CloudWatchLogsClient | undefined;
  const connected = (): CloudWatchLogsClient => (client ??= new sdk.CloudWatchLogsClient(config));
  // Looking for credentials knows no signal, so a call is left rather than waited for.
  const within = <T>(signal: AbortSignal, start: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(options.requestTimeoutMs)]);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(limit.reason as Error);
      if (limit.aborted) return onAbort();
      limit.addEventListener("abort", onAbort, { once: true });
      start({ abortSignal: limit })
        .then(resolve, reject)
        .finally(() => limit.removeEventListener("abort", onAbort));
    });
  };
  return {
    async putLogEvents(body, signal) {
      // The SDK builds a request object by object, at twice the cost of the text that is already here; it is given an
      // empty one, whose body is replaced before it is measured and signed.
      const command = new sdk.PutLogEventsCommand({ logGroupName: "-", logStreamName: "-", logEvents: [] });
      const payload = options.compression === "gzip" ? await compress(body) : body;
      command.middlewareStack.add(
        (next) => async (args) => {
          const request = args.request as { body: unknown; headers: Record<string, string> };
          request.body = payload;
          if (options.compression === "gzip") request.headers["content-encoding"] = "gzip";
          return next(args);
        },
        { step: "build", priority: "high", name: "wiretailBody" },
      );
      const output = await within(signal, (options) => connected().send(command, options));
      return output.rejectedLogEventsInfo;
    },
    async createLogGroup(group, { logGroupClass, tags }, signal) {
      await within(signal, (options) =>
        connected().send(
          new sdk.CreateLogGroupCommand({
            logGroupName: group,
            ...(logGroupClass === undefined ? {} : { logGroupClass }),
            ...(tags === undefined || Object.keys(tags).length === 0 ? {} : { tags }),
          }),
          options,
        ),
      );
    },
    async createLogStream(group, stream, signal) {
      await within(signal, (options) =>
        connected().send(new sdk.CreateLogStreamCommand({ logGroupName: group, logStreamName: stream }), options),
      );
    },
    async putRetentionPolicy(group, days, signal) {
      await within(signal, (options) =>
        connected().send(new sdk.PutRetentionPolicyCommand({ logGroupName: group, retentionInDays: days }), options),
      );
    },
    async describeLogGroup(group, signal) {
      // Names come in order, so an exact match is on the first page of those that begin with it.
      const found = await within(signal, (options) =>
        connected().send(new sdk.DescribeLogGroupsCommand({ logGroupNamePrefix: group }), options),
      );
      const match = found.logGroups?.find((each) => each.logGroupName === group);
      return match === undefined ? undefined : { retentionInDays: match.retentionInDays };
    },
    async hasLogStream(group, stream, signal) {
      const command = new sdk.DescribeLogStreamsCommand({ logGroupName: group, logStreamNamePrefix: stream });
      const found = await within(signal, (options) => connected().send(command, options));
      return found.logStreams?.some((each) => each.logStreamName === stream) === true;
    },
    async identity() {
      const { config: resolved } = connected();
      const [credentials, region] = [await resolved.credentials(), await resolved.region()];
      return { accessKeyId: credentials.accessKeyId, region };
    },
    renew() {
      // Not destroyed: that would cut calls under way. Idle connections are closed by the service after seconds.
      client = undefined;
    },
    close() {
      client?.destroy();
      client = undefined;
    },
  };
}

/** Level 1: log text shrinks to a sixth even so, off the event loop's thread. */
function compress(body: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(body, { level: 1 }, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}
