import { errorMessage, systemErrorCode } from "../../core/error.ts";

/** What a failed call means, by the type of the error (never by its status alone). */
export type Fault =
  /** The group or the stream does not exist. */
  | { readonly kind: "missing"; readonly reason: string }
  | { readonly kind: "exists"; readonly reason: string }
  /** One event is larger than this service allows, with that limit if the answer names it (26 bytes included). */
  | { readonly kind: "event_too_large"; readonly reason: string; readonly limitBytes: number | undefined }
  /** Something in the request, most likely one event, is refused. */
  | { readonly kind: "invalid"; readonly reason: string }
  /** The service has these events already (only very old service versions and imitations say so). */
  | { readonly kind: "accepted"; readonly reason: string }
  | { readonly kind: "retry"; readonly reason: string; readonly retryAfterMs: number | undefined }
  /** No answer came: the call may or may not have taken effect. */
  | { readonly kind: "unanswered"; readonly reason: string }
  | { readonly kind: "credentials"; readonly reason: string }
  | { readonly kind: "hold"; readonly reason: string };

const CREDENTIALS: Readonly<Record<string, string>> = {
  UnrecognizedClientException: "the access key is unknown: check the key, and that the region is right",
  InvalidClientTokenId: "the access key is unknown",
  InvalidSignatureException: "the secret key does not fit, or the clock of this host is wrong",
  SignatureDoesNotMatch: "the secret key does not fit, or the clock of this host is wrong",
  IncompleteSignature: "the credentials are incomplete",
  MissingAuthenticationTokenException: "no credentials were sent",
  MissingAuthenticationToken: "no credentials were sent",
  ExpiredTokenException: "the session token has expired: renew the credentials",
  ExpiredToken: "the session token has expired: renew the credentials",
  RequestExpired: "the clock of this host is wrong",
  RequestTimeTooSkewed: "the clock of this host is wrong",
  CredentialsProviderError:
    "no credentials: attach a role to the instance, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write ~/.aws/credentials, or set access_key_id and secret_access_key",
  TokenProviderError: "no credentials: sign in again",
};
const THROTTLED = new Set([
  "ThrottlingException",
  "Throttling",
  "ThrottledException",
  "TooManyRequestsException",
  "RequestLimitExceeded",
  "RequestThrottled",
  "RequestThrottledException",
  "SlowDown",
  "BandwidthLimitExceeded",
  "ServiceUnavailableException",
  "ServiceUnavailable",
  "InternalServerException",
  "InternalFailure",
  "OperationAbortedException",
  "InvalidSequenceTokenException",
]);
/** The connection was never made, so nothing was sent. */
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL"]);

/** `action` is the IAM action of the call (`logs:PutLogEvents`), for hints. */
export function classify(thrown: unknown, action: string): Fault {
  const error = thrown as {
    name?: unknown;
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
  };
  const name = typeof error.name === "string" ? error.name : "";
  const message = errorMessage(thrown);
  const reason = message === "" || message === name ? name : `${name}: ${message}`;
  const status = error.$metadata?.httpStatusCode;
  const hint = CREDENTIALS[name];
  if (hint !== undefined) return { kind: "credentials", reason: `${reason} (${hint})` };
  if (/^Region is missing/i.test(message)) {
    return { kind: "hold", reason: "no AWS region is known (set region, or AWS_REGION)" };
  }
  switch (name) {
    case "AccessDeniedException":
    case "AccessDenied":
    case "NotAuthorized":
      return { kind: "hold", reason: `${reason} (grant ${action} to this host's role or user)` };
    case "ResourceNotFoundException":
      return { kind: "missing", reason };
    case "ResourceAlreadyExistsException":
      return { kind: "exists", reason };
    case "DataAlreadyAcceptedException":
      return { kind: "accepted", reason };
    case "InvalidParameterException":
    case "ValidationException":
    case "SerializationException":
      return classifyInvalid(reason, message);
  }
  if (THROTTLED.has(name) || status === 429 || (status !== undefined && status >= 500)) {
    return { kind: "retry", reason, retryAfterMs: retryAfterMs(error.$response?.headers) };
  }
  // The answer was cut off before its end, and with it what it says of the events.
  if (status === 200 && /^(aborted|terminated|premature close)\b/i.test(message))
    return { kind: "unanswered", reason: `no whole answer: ${reason}` };
  if (status === 413) return { kind: "invalid", reason };
  // An answer that the service says, or at least something that speaks HTTP, and that nobody has heard of.
  if (status !== undefined) return { kind: "hold", reason: `${reason} (HTTP ${status})` };
  return classifyNetwork(thrown, reason);
}

function classifyInvalid(reason: string, message: string): Fault {
  const limit = /Log event too large: \d+ bytes exceeds limit of (\d+)/.exec(message);
  if (limit !== null) return { kind: "event_too_large", reason, limitBytes: Number(limit[1]) };
  // Whatever is said of the names is nothing that an event is to blame for.
  if (/'?log(Group|Stream)Name'?/.test(message)) return { kind: "hold", reason };
  return { kind: "invalid", reason };
}

function classifyNetwork(thrown: unknown, reason: string): Fault {
  const cause = (thrown as { cause?: unknown }).cause;
  const code = systemErrorCode(thrown) ?? systemErrorCode(cause);
  if (code !== undefined && NOT_SENT.has(code))
    return { kind: "retry", reason: `cannot connect: ${reason}`, retryAfterMs: undefined };
  if (code !== undefined && /^(CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_SSL|HOSTNAME_MISMATCH)/.test(code)) {
    return { kind: "hold", reason: `TLS: ${reason} (for a certificate authority of your own set NODE_EXTRA_CA_CERTS)` };
  }
  return { kind: "unanswered", reason: `no answer: ${reason}` };
}

function retryAfterMs(headers: Record<string, string> | undefined): number | undefined {
  const seconds = Number(headers?.["retry-after"] ?? NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}
