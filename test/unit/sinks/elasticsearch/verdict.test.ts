import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  callVerdict,
  describe as describeError,
  itemVerdict,
  retryAfter,
} from "../../../../src/sinks/elasticsearch/verdict.ts";

// [status, type, reason, verdict], as 8.19.21 and 9.5.3 answer; integration tests ask the servers themselves.
const ITEMS: readonly (readonly [number, string, string, string])[] = [
  [
    409,
    "version_conflict_engine_exception",
    "[1]: version conflict, document already exists (current version [1])",
    "delivered",
  ],
  [
    400,
    "document_parsing_exception",
    "[1:42] failed to parse field [n] of type [long] in document with id '5'",
    "rejected",
  ],
  [400, "mapper_parsing_exception", "failed to parse", "rejected"],
  [
    400,
    "strict_dynamic_mapping_exception",
    "mapping set to strict, dynamic introduction of [x] within [strict] is not allowed",
    "rejected",
  ],
  [
    400,
    "illegal_argument_exception",
    "Limit of total fields [1000] has been exceeded while adding new fields [4]",
    "rejected",
  ],
  [
    400,
    "illegal_argument_exception",
    "Limit of mapping depth [20] has been exceeded due to object field [a.b]",
    "rejected",
  ],
  [400, "illegal_argument_exception", 'Document contains at least one immense term in field="k"', "rejected"],
  [400, "illegal_argument_exception", "mapper [a] cannot be changed from type [long] to [keyword]", "rejected"],
  [400, "illegal_argument_exception", "data stream timestamp field [@timestamp] is missing", "rejected"],
  [400, "input_coercion_exception", "Numeric value (99999999999) out of range of int", "rejected"],
  [400, "fail_processor_exception", "not wanted here", "rejected"],
  [429, "es_rejected_execution_exception", "rejected execution of coordinating operation", "retry"],
  [429, "circuit_breaking_exception", "[parent] Data too large", "retry"],
  [503, "unavailable_shards_exception", "[una][0] primary shard is not active Timeout: [1s]", "retry"],
  [503, "something_new_exception", "who knows", "retry"],
  [503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];", "retry"],
  [500, "null_pointer_exception", "a defect of the server", "retry"],
  [403, "cluster_block_exception", "index [lim] blocked by: [FORBIDDEN/8/index write (api)];", "hold"],
  [
    429,
    "cluster_block_exception",
    "blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark",
    "hold",
  ],
  [403, "security_exception", "action [indices:data/write/bulk] is unauthorized", "hold"],
  [401, "security_exception", "missing authentication credentials", "hold"],
  [404, "index_not_found_exception", "no such index [logs-nope-default]", "hold"],
  [400, "index_closed_exception", "closed", "hold"],
  [
    400,
    "validation_exception",
    "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [5]/[1]",
    "hold",
  ],
  [400, "illegal_argument_exception", "only write ops with an op_type of create are allowed in data streams", "hold"],
  [400, "illegal_argument_exception", "pipeline with id [nope] does not exist", "hold"],
  [400, "invalid_index_name_exception", "Invalid index name [BAD], must be lowercase", "hold"],
  [400, "routing_missing_exception", "routing is required for [rou]/[3]", "hold"],
  [400, "something_new_exception", "who knows", "hold"],
];

describe("elasticsearch: the verdict on a document", () => {
  for (const [status, type, reason, expected] of ITEMS) {
    test(`${status} ${type} (${reason.slice(0, 50)}) is ${expected}`, () => {
      const verdict = itemVerdict({ status, error: { type, reason } });
      assert.equal(verdict.outcome, expected);
      if ("reason" in verdict) assert.ok(verdict.reason.includes(type) && verdict.reason.includes(reason.slice(0, 40)));
    });
  }

  test("only what nobody knows is marked as unknown: it may end in the dead letters while others are taken", () => {
    const isUnknown = (status: number, type: string, reason: string) => {
      const verdict = itemVerdict({ status, error: { type, reason } });
      return verdict.outcome === "hold" && verdict.unknown === true;
    };
    assert.ok(isUnknown(400, "something_new_exception", "who knows"));
    assert.ok(isUnknown(400, "illegal_argument_exception", "pipeline with id [nope] does not exist"));
    for (const type of ["security_exception", "cluster_block_exception", "index_closed_exception"])
      assert.ok(!isUnknown(403, type, "why"), type);
  });

  test("every 2xx is delivered, and a status without an error that we do not know holds", () => {
    assert.equal(itemVerdict({ status: 200 }).outcome, "delivered");
    assert.equal(itemVerdict({ status: 201 }).outcome, "delivered");
    assert.equal(itemVerdict({ status: 302 }).outcome, "hold");
    assert.equal(itemVerdict({}).outcome, "hold");
  });

  test("a vague type is the document's fault when a cause says so", () => {
    const error = {
      type: "illegal_argument_exception",
      reason: "cannot do it",
      caused_by: { type: "x", reason: "Limit of total fields [3] has been exceeded" },
    };
    assert.equal(itemVerdict({ status: 400, error }).outcome, "rejected");
  });
});

describe("elasticsearch: the verdict on a whole call", () => {
  const body = (type: string) => ({ error: { type, reason: "because" }, status: 0 });
  for (const [status, reply, expected] of [
    [413, "", "too_large"],
    [429, body("es_rejected_execution_exception"), "retry"],
    [408, "", "retry"],
    [502, "<html>Bad Gateway</html>", "retry"],
    [503, body("master_not_discovered_exception"), "retry"],
    [503, body("cluster_block_exception"), "retry"],
    [504, "", "retry"],
    [401, body("security_exception"), "hold"],
    [403, body("cluster_block_exception"), "hold"],
    [403, "", "hold"],
    [404, body("index_not_found_exception"), "hold"],
    [400, body("illegal_argument_exception"), "hold"],
    [405, { error: "Incorrect HTTP method" }, "hold"],
  ] as const) {
    test(`${status} with ${JSON.stringify(reply)} is ${expected}`, () => {
      assert.equal(callVerdict(status, reply, undefined).outcome, expected);
    });
  }

  test("Retry-After is understood as seconds and as a date", () => {
    assert.equal(retryAfter("3", 0), 3000);
    assert.equal(retryAfter("Sat, 21 Nov 2026 10:00:10 GMT", Date.UTC(2026, 10, 21, 10)), 10_000);
    assert.equal(retryAfter("Sat, 21 Nov 2026 09:00:00 GMT", Date.UTC(2026, 10, 21, 10)), 0);
    assert.equal(retryAfter("soon", 0), undefined);
    assert.equal(retryAfter(undefined, 0), undefined);
    const verdict = callVerdict(429, "", 5000);
    assert.equal(verdict.outcome === "retry" && verdict.retryAfterMs, 5000);
  });
});

test("a reason names the causes that say more, and never quotes a whole document", () => {
  const said = describeError({
    type: "document_parsing_exception",
    reason: "failed to parse",
    caused_by: {
      type: "date_time_parse_exception",
      reason: "bad day",
      caused_by: { type: "again", reason: "bad day" },
    },
  });
  assert.equal(said, "document_parsing_exception: failed to parse; caused by date_time_parse_exception: bad day");
  assert.ok(describeError({ type: "x", reason: "z".repeat(100_000) }).length < 500);
  assert.equal(describeError({}), "");
});
