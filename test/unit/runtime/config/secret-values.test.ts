import assert from "node:assert/strict";
import { test } from "node:test";
import { defineSink } from "../../../../src/core/component.ts";
import { t } from "../../../../src/core/schema.ts";
import { secretValues } from "../../../../src/runtime/config/redact.ts";
import type { SinkConfig } from "../../../../src/runtime/config/types.ts";

test("secrets are what the schema marks and what came from the environment, but nothing so short that it stands everywhere", () => {
  const definition = defineSink({
    ...{ type: "x", summary: "x", stability: "stable", examples: [] },
    schema: t.object({ key: t.secret(), url: t.string(), pin: t.secret(), other: t.string() }),
    create: () => assert.fail("not made"),
  });
  const config = {
    ...{ name: "x", definition, batch: {}, whenFull: "block", fingerprint: "", identity: "" },
    options: { key: "s3cr3t-key", url: "https://u:p@host", pin: "123", other: "plain text" },
    location: { file: "", line: 1, column: 1, pointer: "" },
    secretPointers: ["/url"],
  } as SinkConfig;
  assert.deepEqual(secretValues(config), ["s3cr3t-key", "https://u:p@host"]);
});
