import { defineSink } from "../../core/component.ts";
import { t, type Infer } from "../../core/schema.ts";
import { templateFault } from "../../codec/template.ts";
import { createApi } from "./api.ts";
import { MAX_MESSAGE_BYTES, RETENTION_DAYS } from "./limits.ts";
import { CloudWatchLogsSink } from "./sink.ts";

const schema = t.object({
  log_group_name: t.string({
    description:
      "Log group. Placeholders such as {hostname} or {date} are filled in for each event; characters that a group name cannot have become _.",
    minLength: 1,
    maxLength: 512,
    "x-syntax": "template",
    "x-identity": true,
    examples: ["MyLogSys", "/hosts/{hostname}"],
  }),
  log_stream_name: t.string({
    description: "Log stream in the group, with the same placeholders; : and * become _.",
    default: "{instance_id}",
    minLength: 1,
    maxLength: 512,
    "x-syntax": "template",
    "x-identity": true,
  }),
  region: t.optional(
    t.string({
      description: "AWS region. Left out: AWS_REGION, the profile, or where the instance runs.",
      minLength: 1,
      maxLength: 64,
      "x-identity": true,
    }),
  ),
  endpoint: t.optional(
    t.string({
      description: "URL of the service, for VPC endpoints and for tests.",
      pattern: "^https?://",
      "x-identity": true,
    }),
  ),
  create: t.boolean({
    description:
      "Make the log group and stream when they do not exist (IAM: logs:CreateLogGroup, logs:CreateLogStream).",
    default: true,
  }),
  retention_in_days: t.optional(
    t.enum(RETENTION_DAYS, {
      description:
        "Days that the group keeps its events (IAM: logs:DescribeLogGroups, logs:PutRetentionPolicy). Left out: as it is; new groups keep them for ever.",
    }),
  ),
  log_group_class: t.optional(
    t.enum(["STANDARD", "INFREQUENT_ACCESS"], {
      description: "Class of a group that is made. It cannot be changed later.",
    }),
  ),
  tags: t.optional(t.map(t.string(), { description: "Tags of a group that is made (IAM: logs:TagResource)." })),
  message: t.enum(["text", "json", "original"], {
    description:
      "What is sent as the message: the event's message (text), the whole document as JSON, or the line as it was read (original).",
    default: "text",
  }),
  max_event_bytes: t.integer({
    description:
      "Largest message in bytes. The service takes 1 MB with 26 bytes of its own; where a region takes less, the limit falls by itself.",
    default: MAX_MESSAGE_BYTES,
    minimum: 1_024,
    maximum: MAX_MESSAGE_BYTES,
  }),
  oversized: t.enum(["split", "truncate"], {
    description:
      'What happens to larger messages: sent as several events of the same time, or cut off and marked "[Truncated...]".',
    default: "split",
  }),
  profile: t.optional(t.string({ description: "Profile in ~/.aws/credentials and ~/.aws/config.", minLength: 1 })),
  access_key_id: t.optional(
    t.secret({
      description:
        "Access key. Left out: the standard chain (environment, profile, web identity, container, instance role).",
    }),
  ),
  secret_access_key: t.optional(t.secret({ description: "Secret of access_key_id." })),
  session_token: t.optional(t.secret({ description: "Session token, for temporary keys." })),
  request_timeout_ms: t.integer({
    description:
      "Milliseconds after which a call without an answer is given up. Its events are sent again and may then be there twice.",
    default: 30_000,
    minimum: 100,
    maximum: 600_000,
  }),
  compression: t.enum(["gzip", "none"], { description: "Compression of what is sent.", default: "gzip" }),
});

type Options = Infer<typeof schema>;

export const cloudwatchLogs = defineSink({
  type: "cloudwatch_logs",
  summary: "Ships events to Amazon CloudWatch Logs",
  description: `Calls keep every limit of PutLogEvents: 1,048,576 bytes with 26 for each event, 10,000 events, 24 hours from the first to the last, in the order of time.
Events that the service refuses (older than 14 days or than the group's retention, more than 2 hours ahead) go to the dead letters with its reason.

Delivery is at least once. CloudWatch Logs does not recognise an event that it has already: a call that got no answer is sent again and may double its events, which \`cloudwatch_logs_ambiguous_events\` counts. What was answered is noted in the state folder at once, so that after a crash only the last call may be doubled. An empty line is sent as one space, because the service takes no empty message.

IAM: \`logs:PutLogEvents\`; with \`create\` also \`logs:CreateLogGroup\` and \`logs:CreateLogStream\`.`,
  stability: "stable",
  schema,
  metrics: [
    { name: "cloudwatch_logs_requests", kind: "counter", unit: "requests", description: "Calls of PutLogEvents." },
    {
      name: "cloudwatch_logs_ambiguous_events",
      kind: "counter",
      unit: "events",
      description: "Events sent again after a call without an answer: they may be in the stream twice.",
    },
    {
      name: "cloudwatch_logs_split_events",
      kind: "counter",
      unit: "events",
      description: "Events too large for one message, sent as several.",
    },
    {
      name: "cloudwatch_logs_truncated_events",
      kind: "counter",
      unit: "events",
      description: "Events too large for one message, cut off.",
    },
  ],
  examples: [
    {
      title: "One stream for each instance",
      options: {
        type: "cloudwatch_logs",
        log_group_name: "MyLogSys",
        log_stream_name: "{instance_id}",
        region: "us-east-1",
        retention_in_days: 30,
      },
    },
    {
      title: "Whole documents as JSON, one stream a day, at a VPC endpoint",
      options: {
        type: "cloudwatch_logs",
        log_group_name: "/socketchat/connections",
        log_stream_name: "{hostname}/{date}",
        region: "eu-central-1",
        endpoint: "https://vpce-0123456789abcdef0-abcdefgh.logs.eu-central-1.vpce.amazonaws.com",
        message: "json",
      },
    },
  ],
  validate(options) {
    const faults: [string, string][] = [];
    for (const name of ["log_group_name", "log_stream_name"] as const) {
      const fault = templateFault(options[name]) ?? nameFault(name, options[name]);
      if (fault !== undefined) faults.push([`/${name}`, fault]);
    }
    if ((options.access_key_id === undefined) !== (options.secret_access_key === undefined)) {
      const given = options.access_key_id === undefined ? "secret_access_key" : "access_key_id";
      faults.push([`/${given}`, "access_key_id and secret_access_key are given together or not at all"]);
    }
    if (options.session_token !== undefined && options.access_key_id === undefined) {
      faults.push(["/session_token", "a session token belongs to an access_key_id"]);
    }
    return faults;
  },
  destinationFaults(_options, destination) {
    return Object.entries(destination).flatMap(([name, text]): [string, string][] => {
      if (name !== "log_group_name" && name !== "log_stream_name")
        return [[`/${name}`, 'this sink is of type cloudwatch_logs: it takes "log_group_name" and "log_stream_name"']];
      const fault = templateFault(String(text)) ?? nameFault(name, String(text));
      return fault === undefined ? [] : [[`/${name}`, fault]];
    });
  },
  async create(options, context) {
    const api = await createApi({
      region: regionOf(options, context.placeholders.awsRegion),
      endpoint: options.endpoint,
      profile: options.profile,
      credentials: credentialsOf(options),
      requestTimeoutMs: options.request_timeout_ms,
      compression: options.compression,
    });
    return new CloudWatchLogsSink(
      {
        logGroupName: options.log_group_name,
        logStreamName: options.log_stream_name,
        create: options.create,
        retentionInDays: options.retention_in_days,
        logGroupClass: options.log_group_class,
        tags: options.tags,
        message: options.message,
        maxMessageBytes: options.max_event_bytes,
        oversized: options.oversized,
        service: `${options.endpoint ?? ""} ${regionOf(options, context.placeholders.awsRegion) ?? ""}`.trim(),
      },
      api,
      context,
    );
  },
});

/** What is written literally must be right; what placeholders bring is cleaned when they are filled in. */
function nameFault(option: "log_group_name" | "log_stream_name", template: string): string | undefined {
  const literal = template
    .replaceAll("{{", "")
    .replaceAll("}}", "")
    .replace(/\{[^{}]*\}/g, "");
  const bad = option === "log_group_name" ? /[^.\-_/#A-Za-z0-9]/.exec(literal) : /[:*]/.exec(literal);
  if (bad === null) return undefined;
  return option === "log_group_name"
    ? `a log group name cannot have "${bad[0]}": letters, digits and . - _ / #`
    : `a log stream name cannot have "${bad[0]}"`;
}

/** Undefined leaves it to the SDK: AWS_REGION, then the profile. */
function regionOf(options: Options, detected: string): string | undefined {
  if (options.region !== undefined) return options.region;
  if (
    options.profile !== undefined ||
    process.env["AWS_REGION"] !== undefined ||
    process.env["AWS_PROFILE"] !== undefined
  )
    return undefined;
  return /^[a-z]{2,}(-[a-z]+)+-\d+$/.test(detected) ? detected : undefined;
}

function credentialsOf(
  options: Options,
): { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined {
  const { access_key_id, secret_access_key, session_token } = options;
  if (access_key_id === undefined || secret_access_key === undefined) return undefined;
  return {
    accessKeyId: access_key_id,
    secretAccessKey: secret_access_key,
    ...(session_token === undefined ? {} : { sessionToken: session_token }),
  };
}
