import assert from "node:assert/strict";
import { test } from "node:test";
import { classify, type Fault } from "../../../../src/sinks/cloudwatch_logs/faults.ts";

function answer(name: string, status = 400, message = "says the service", headers: Record<string, string> = {}): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status }, $response: { headers } });
}
function broken(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

const TABLE: readonly (readonly [Error, Fault["kind"]])[] = [
  [answer("ThrottlingException"), "retry"],
  [answer("Throttling", 429), "retry"],
  [answer("WhateverException", 429), "retry"],
  [answer("ServiceUnavailableException", 503), "retry"],
  [answer("InternalFailure", 500), "retry"],
  [answer("UnknownError", 502), "retry"],
  [answer("OperationAbortedException"), "retry"],
  [answer("InvalidSequenceTokenException"), "retry"],
  [answer("DataAlreadyAcceptedException"), "accepted"],
  [answer("ResourceNotFoundException"), "missing"],
  [answer("ResourceAlreadyExistsException"), "exists"],
  [answer("UnrecognizedClientException"), "credentials"],
  [answer("ExpiredTokenException"), "credentials"],
  [answer("InvalidSignatureException", 403), "credentials"],
  [answer("MissingAuthenticationTokenException", 403), "credentials"],
  [
    Object.assign(new Error("Could not load credentials from any providers"), { name: "CredentialsProviderError" }),
    "credentials",
  ],
  [answer("AccessDeniedException"), "hold"],
  [answer("OptInRequired", 403), "hold"],
  [answer("LimitExceededException"), "hold"],
  [answer("BrandNewException"), "hold"],
  [new Error("Region is missing"), "hold"],
  [
    answer(
      "InvalidParameterException",
      400,
      "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint",
    ),
    "hold",
  ],
  [
    answer(
      "InvalidParameterException",
      400,
      "Log events in a single PutLogEvents request must be in chronological order.",
    ),
    "invalid",
  ],
  [
    answer("InvalidParameterException", 400, "Log event too large: 292824 bytes exceeds limit of 262144"),
    "event_too_large",
  ],
  [answer("UnknownError", 413), "invalid"],
  [broken("ECONNREFUSED"), "retry"],
  [broken("ENOTFOUND"), "retry"],
  [broken("ECONNRESET"), "unanswered"],
  [answer("Error", 200, "aborted\n  Deserialization error: to see the raw response"), "unanswered"],
  [answer("SyntaxError", 200, "Unexpected token '<'\n  Deserialization error"), "hold"],
  [broken("EPIPE"), "unanswered"],
  [Object.assign(new Error("timed out"), { name: "TimeoutError" }), "unanswered"],
  [Object.assign(new Error("Request aborted"), { name: "AbortError" }), "unanswered"],
  [broken("CERT_HAS_EXPIRED"), "hold"],
  [broken("DEPTH_ZERO_SELF_SIGNED_CERT"), "hold"],
];

for (const [error, kind] of TABLE) {
  test(`${error.name} "${error.message.slice(0, 60)}" is ${kind}`, () => {
    const fault = classify(error, "logs:PutLogEvents");
    assert.equal(fault.kind, kind, fault.reason);
    assert.ok(fault.reason.length > 5);
  });
}

test("a refused right names the IAM action", () => {
  assert.match(classify(answer("AccessDeniedException"), "logs:PutLogEvents").reason, /logs:PutLogEvents/);
});

test("the limit that the service names is read, and so is the pause it asks for", () => {
  const large = classify(
    answer("InvalidParameterException", 400, "Log event too large: 292824 bytes exceeds limit of 262144"),
    "",
  );
  assert.equal(large.kind === "event_too_large" && large.limitBytes, 262_144);
  const throttled = classify(answer("ThrottlingException", 400, "Rate exceeded", { "retry-after": "2" }), "");
  assert.equal(throttled.kind === "retry" && throttled.retryAfterMs, 2_000);
});

test("an error without a message of its own is called by its name once", () => {
  assert.equal(classify(answer("ThrottlingException", 400, "ThrottlingException"), "").reason, "ThrottlingException");
});
