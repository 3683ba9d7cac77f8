import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { components } from "../../../src/cli/components.ts";
import { loadPipelineFile, shippedPipelines } from "../../../src/runtime/config/pipeline-file.ts";
import { runPipelineTests } from "../../../src/runtime/pipeline-test.ts";

const { stages } = components;

describe("shipped pipelines", () => {
  it("are those that the documentation names", () => {
    assert.deepEqual(shippedPipelines(), [
      "apache",
      "app-multiline",
      "auth",
      "aws-elb",
      "connections-log",
      "connections-log-peers",
      "cri",
      "dns-by-hour",
      "docker",
      "flows-by-hour",
      "haproxy",
      "http-by-hour",
      "json-lines",
      "logfmt",
      "mysql-slow",
      "nginx-access",
      "nginx-access-ports",
      "nginx-error",
      "nginx-stream",
      "nginx-stream-ports",
      "packet-row",
      "postgresql",
      "redis",
      "syslog",
      "tcpdump-text",
      "w3c",
      "watched-employees",
      "watched-employees-both-ways",
      "watched-employees-http",
      "watched-employees-report",
    ]);
  });

  for (const name of shippedPipelines()) {
    it(`${name} loads without a problem and passes its own tests`, async () => {
      const { pipeline, problems } = await loadPipelineFile(name, ".", { stages });
      assert.deepEqual(problems, []);
      assert.ok(pipeline!.tests.length >= 1);
      for (const result of runPipelineTests(pipeline!)) {
        assert.equal(result.error, undefined, `${name}: ${result.name}`);
        assert.deepEqual(result.differences, [], `${name}: ${result.name}`);
      }
    });
  }
});
