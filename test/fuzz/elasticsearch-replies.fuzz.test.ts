import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BULK_ENCODING } from "../../src/sinks/elasticsearch/bulk.ts";
import { CallNames } from "../../src/sinks/elasticsearch/call-names.ts";
import type { Call, Connection } from "../../src/sinks/elasticsearch/client.ts";
import { ElasticsearchSink } from "../../src/sinks/elasticsearch/sink.ts";
import { callVerdict, retryAfter } from "../../src/sinks/elasticsearch/verdict.ts";
import { makeBatch, makeSinkBatch } from "../support/batches.ts";
import { makeContext } from "../support/context.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const LIMITS = { interruptAfterTimeLimit: FUZZ_MS, numRuns: 1_000_000, markInterruptAsFailure: false };

const word = fc.constantFrom("wiretail/es/x/1", "found", "_mget", "index_closed_exception", "201", "");
const scalar = fc.oneof(fc.constantFrom(null, true, false, 0, 201, 400, 409, 503), word);
const keys = fc.constantFrom(
  ...["errors", "items", "create", "status", "error", "type", "reason", "caused_by", "docs", "found", "nodes", "tasks"],
  ...["headers", "X-Opaque-Id", "node_failures", "data_streams", "aliases", "indices", "backing_indices"],
  ...["index_templates", "index_template", "index_patterns", "name", "failure_store", "running_time_in_nanos"],
);
/** JSON with the names that the sink looks for, in places where they may not be. */
const { reply } = fc.letrec<{ reply: unknown }>((tie) => ({
  reply: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("reply"), { maxLength: 4 }),
    fc.dictionary(keys, tie("reply"), { maxKeys: 4 }),
  ),
}));

test("whatever a server answers, a write ends with a verdict, and nothing is delivered that no answer says so of", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(reply, { minLength: 8, maxLength: 8 }),
      fc.boolean(),
      fc.constantFrom(1, 2),
      async (replies, maybeSent, attempt) => {
        let said: unknown;
        const rest = [...replies];
        const connection = {
          call: async (call: Call) => {
            const body = rest.shift();
            if (call.path.endsWith("/_bulk")) said = body;
            return { status: 200, body };
          },
          notes: () => [],
          close: async () => undefined,
        };
        const context = makeContext({ now: () => 0, sleep: async () => undefined });
        const sink = new ElasticsearchSink(
          {
            ...{
              nodes: ["http://x"],
              tls: { verify: true },
              compression: "none",
              compression_level: 1,
              request_timeout_ms: 1000,
            },
            ...{ install_template: true, unknown_error_timeout_ms: 1000 },
          },
          { ...context, stateDir: "/nonexistent", monotonicMs: clockOf() },
          connection as unknown as Connection,
          new CallNames("wiretail/es/x"),
        );
        const batch = makeBatch({ lines: ["a", "b"], encoding: BULK_ENCODING });
        const slices = [{ batch, from: 0, to: 2, maybeSent }];
        const result = await sink.write(
          makeSinkBatch(slices, BULK_ENCODING, "logs-generic-default"),
          new AbortController().signal,
          attempt,
        );
        if (result.outcome === "delivered" && said !== undefined)
          assert.equal(typeof (said as { errors: unknown }).errors, "boolean");
        if (result.outcome === "mixed") assert.ok([...result.verdicts.keys()].every((index) => index < 2));
      },
    ),
    LIMITS,
  );
});

test("whatever an error says, a call's verdict has a reason of bounded length", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 599 }),
      fc.oneof(reply, fc.string(), fc.constant(undefined)),
      (status, body) => {
        const verdict = callVerdict(status, body, undefined);
        assert.ok("reason" in verdict && verdict.reason.length < 3000);
      },
    ),
    LIMITS,
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.anything()), (header) => {
      const ms = retryAfter(header, 0);
      assert.ok(ms === undefined || ms >= 0);
    }),
    { numRuns: 2000 },
  );
});

/** Time passes with every look, so that waits end. */
function clockOf(): () => number {
  let now = 0;
  return () => (now += 5_000);
}
