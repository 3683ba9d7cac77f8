/** The published numbers and name rules of CloudWatch Logs, written down apart from the sink that is tested by them. */
export const MAX_BATCH_BYTES = 1_048_576;
export const MAX_BATCH_EVENTS = 10_000;
export const OVERHEAD_BYTES = 26;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const RETENTION_DAYS: ReadonlySet<number> = new Set([
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]);

/** An answer that is an error, as AWS JSON 1.1 writes it. */
export class DoubleError extends Error {
  readonly type: string;
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  constructor(type: string, message: string, status?: number, retryAfterSeconds?: number) {
    super(message);
    this.type = type;
    this.status = status ?? (type === "ServiceUnavailableException" ? 503 : 400);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The name of a group or stream in a request, checked. */
export function checkName(input: Readonly<Record<string, unknown>>, member: "logGroupName" | "logStreamName"): string {
  const value = input[member];
  const pattern = member === "logGroupName" ? /^[.\-_/#A-Za-z0-9]{1,512}$/ : /^[^:*]{1,512}$/;
  if (typeof value !== "string" || !pattern.test(value)) {
    throw new DoubleError(
      "InvalidParameterException",
      `1 validation error detected: Value '${String(value)}' at '${member}' failed to satisfy constraint: Member must satisfy regular expression pattern: ${pattern.source}`,
    );
  }
  return value;
}
