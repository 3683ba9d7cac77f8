import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import { Command } from "commander";
import { ERROR_CODES } from "../../../src/core/error.ts";
import { packageRoot } from "../../../src/runtime/package-root.ts";
import { editorSchema } from "../../../scripts/docs/editor-schema.ts";
import { generatedFiles } from "../../../scripts/docs/generated-files.ts";
import { components } from "../runtime/config/fake-components.ts";

const files = generatedFiles(
  components,
  new Command("wiretail").addCommand(new Command("try").description("Tries it.")),
);

test("every error code that the code can use is in the reference, and no other", () => {
  const documented = [...files.get("docs/reference/errors.md")!.matchAll(/^## (\S+)$/gm)].map((match) => match[1]);
  assert.deepEqual(documented, Object.keys(ERROR_CODES));
  const committed = readFileSync(join(packageRoot(), "docs/reference/errors.md"), "utf8");
  assert.equal(committed, files.get("docs/reference/errors.md"));
});

test("a component's page has every option with its type, default and meaning", () => {
  const page = files.get("docs/reference/sources/tail.md")!;
  assert.match(page, /^# `tail` source$/m);
  assert.match(page, /^\| `include` \| list of string \(glob\) \| required \| Patterns of files\. \|$/m);
  assert.match(page, /^\| `max_line_bytes` \| whole number, 16 to 16777216 \| `1048576` \| Bytes of a line\. \|$/m);
  assert.match(files.get("docs/reference/stages/label.md")!, /^\| `value\.trim` \| boolean \| `true` \|/m);
  assert.match(files.get("docs/reference/sinks/server.md")!, /^\| `batch\.max_events` \|/m);
});

test("the command line's page is what --help says", () => {
  assert.match(
    files.get("docs/reference/cli.md")!,
    /## wiretail try\n\n```text\nUsage: wiretail try \[options\]\n\nTries it\./,
  );
});

test("the editor schema takes what the loader takes, and marks what it refuses", () => {
  const validate = new Ajv({ strict: false }).compile(editorSchema(components));
  const host = (sink: object, stage: object = { label: { field: "a", value: "b", when: "a: 1" } }): object => ({
    $schema: "./wiretail.schema.json",
    sources: { app: { type: "tail", include: ["/a"] } },
    pipelines: { p: { from: ["app"], to: ["s"], stages: [stage, { use: "x" }] } },
    sinks: { s: sink },
  });
  const good = { type: "server", endpoint: "x", api_key: { $env: "KEY" }, batch: { max_events: 1 } };
  assert.ok(validate(host(good)), JSON.stringify(validate.errors));
  assert.ok(validate(host({ ...good, endpoint: { $file: "x" } })));
  assert.ok(!validate(host({ ...good, endpont: "x" })));
  assert.ok(!validate(host({ type: "disk", path: "x", endpoint: "y" })), "options of another type are refused");
  assert.ok(!validate(host({ type: "sever" })));
  assert.ok(!validate(host(good, { lable: {} })));
  assert.ok(!validate(host(good, { label: { field: "a" } })));
});
