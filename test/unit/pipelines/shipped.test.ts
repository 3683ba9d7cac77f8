import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadPipelineFile, shippedPipelines } from "../../../src/runtime/config/pipeline-file.ts";
import { runPipelineTests } from "../../../src/runtime/pipeline-test.ts";
import { convert } from "../../../src/stages/convert/index.ts";
import { filter } from "../../../src/stages/filter/index.ts";
import { parseJson } from "../../../src/stages/parse_json/index.ts";
import { parseNginx } from "../../../src/stages/parse_nginx/index.ts";
import { parseRegex } from "../../../src/stages/parse_regex/index.ts";
import { parseTimestamp } from "../../../src/stages/parse_timestamp/index.ts";
import { remove } from "../../../src/stages/remove/index.ts";
import { rename } from "../../../src/stages/rename/index.ts";
import { set } from "../../../src/stages/set/index.ts";

const stages = [parseRegex, parseJson, parseNginx, parseTimestamp, set, rename, remove, convert, filter];

describe("shipped pipelines", () => {
  it("are the five that the documentation names", () => {
    assert.deepEqual(shippedPipelines(), [
      "connections-log",
      "json-lines",
      "nginx-access",
      "nginx-stream",
      "tcpdump-text",
    ]);
  });

  for (const name of shippedPipelines()) {
    it(`${name} loads without a problem and passes its own tests`, async () => {
      const { pipeline, problems } = await loadPipelineFile(name, ".", { stages });
      assert.deepEqual(problems, []);
      assert.ok(pipeline!.tests.length >= 2);
      for (const result of runPipelineTests(pipeline!)) {
        assert.equal(result.error, undefined, `${name}: ${result.name}`);
        assert.deepEqual(result.differences, [], `${name}: ${result.name}`);
      }
    });
  }
});
