/**
 * The limits of PutLogEvents (CloudWatch Logs API reference and quotas page): a request holds at most 1,048,576 bytes,
 * which are the messages in UTF-8 and 26 bytes for each, at most 10,000 events in the order of their times, and its
 * times are at most 24 hours apart.
 */
export const MAX_REQUEST_BYTES = 1_048_576;
export const MAX_REQUEST_EVENTS = 10_000;
export const MAX_REQUEST_SPAN_MS = 24 * 3_600_000;
export const OVERHEAD_BYTES_PER_EVENT = 26;
/** The largest message where an event may have 1 MB. */
export const MAX_MESSAGE_BYTES = MAX_REQUEST_BYTES - OVERHEAD_BYTES_PER_EVENT;
/** The largest message of services that still have the older limit of 256 KB for an event. */
export const OLD_MAX_MESSAGE_BYTES = 262_144 - OVERHEAD_BYTES_PER_EVENT;
/** What PutRetentionPolicy takes. */
export const RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;
