import assert from "node:assert/strict";
import { test } from "node:test";
import { compileTemplate } from "../../../../src/codec/template.ts";
import {
  cleanGroupName,
  cleanStreamName,
  destinationText,
  parseDestination,
} from "../../../../src/sinks/cloudwatch_logs/destination.ts";
import { cloudwatchLogs } from "../../../../src/sinks/cloudwatch_logs/index.ts";
import { TEST_PLACEHOLDERS } from "../../../support/context.ts";

type Options = Parameters<typeof cloudwatchLogs.create>[0];
const options = (more: Partial<Options>): Options => ({
  log_group_name: "g",
  log_stream_name: "s",
  create: true,
  message: "text",
  max_event_bytes: 1_048_550,
  oversized: "split",
  request_timeout_ms: 1_000,
  compression: "gzip",
  ...more,
});
const faults = (more: Partial<Options>): readonly (readonly [string, string])[] =>
  cloudwatchLogs.validate!(options(more));

test("names with characters that the service refuses, and unknown placeholders, are configuration errors", () => {
  assert.deepEqual(faults({}), []);
  assert.deepEqual(faults({ log_group_name: "/a/{hostname}", log_stream_name: "{instance_id}/{date:%Y-%m-%d}" }), []);
  assert.match(faults({ log_group_name: "a b" })[0]![1], /" "/);
  assert.match(faults({ log_stream_name: "a:b" })[0]![1], /":"/);
  assert.match(faults({ log_stream_name: "{hots}" })[0]![1], /unknown placeholder/);
});

test("an access key without its secret is a configuration error", () => {
  assert.equal(faults({ access_key_id: "A" })[0]![0], "/access_key_id");
  assert.equal(faults({ secret_access_key: "A" })[0]![0], "/secret_access_key");
  assert.equal(faults({ session_token: "A" })[0]![0], "/session_token");
  assert.deepEqual(faults({ access_key_id: "A", secret_access_key: "B", session_token: "C" }), []);
});

test("what placeholders bring is cleaned for names", () => {
  assert.equal(cleanGroupName("a b:c/ü"), "a_b_c/_");
  assert.equal(cleanStreamName("a:b*c/ü"), "a_b_c/ü");
  assert.equal(cleanGroupName("x".repeat(600)).length, 512);
});

test("a destination holds group and stream at an event's own time", () => {
  const at = destinationText(
    compileTemplate("g-{hostname}", TEST_PLACEHOLDERS),
    compileTemplate("{date}", TEST_PLACEHOLDERS),
  );
  assert.deepEqual(parseDestination(at(Date.UTC(2026, 10, 21, 23, 59))), {
    group: "g-test-host",
    stream: "2026-11-21",
  });
  assert.deepEqual(parseDestination(at(Date.UTC(2026, 10, 22))), { group: "g-test-host", stream: "2026-11-22" });
});
