import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Ajv } from "ajv";
import { parse, type ParseError } from "jsonc-parser";
import { editorSchema } from "../../scripts/docs/editor-schema.ts";
import { components } from "../../src/cli/components.ts";
import { packageRoot } from "../../src/runtime/package-root.ts";

const folder = join(packageRoot(), "config");
const hostFiles = readdirSync(folder).filter((name) => name.endsWith(".json") && name !== "wiretail.schema.json");
const temporary = mkdtempSync(join(tmpdir(), "wiretail-host-files-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

test("config/ has the host files that the docs name", () => {
  for (const name of ["host.json", "elasticsearch.json", "cloudwatch.json", "packets.json"])
    assert.ok(hostFiles.includes(name), name);
});

for (const name of hostFiles) {
  test(`config/${name} passes wiretail check and has no error for an editor`, () => {
    const main = join(packageRoot(), "dist/src/cli/main.js");
    const env = { PATH: process.env["PATH"], ES_API_KEY: "a-key" };
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, "check", join(folder, name)], {
      encoding: "utf8",
      env,
    });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, new RegExp(`✓ .*${name} is valid`));
    const validate = new Ajv({ strict: false }).compile(editorSchema(components));
    const errors: ParseError[] = [];
    const value: unknown = parse(readFileSync(join(folder, name), "utf8"), errors, { allowTrailingComma: true });
    assert.deepEqual(errors, []);
    assert.ok(validate(value), JSON.stringify(validate.errors));
  });
}

function verifyUnit(text: string, name = "wiretail.service"): { status: number | null; output: string } {
  const file = join(temporary, name);
  writeFileSync(file, text);
  const { status, stdout, stderr, error } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
  assert.equal(error, undefined, "systemd-analyze comes with Debian's package systemd");
  return { status, output: stdout + stderr };
}

test("systemd accepts the unit without a word, and would not accept a misspelt one", () => {
  const unit = readFileSync(join(folder, "wiretail.service"), "utf8");
  assert.deepEqual(verifyUnit(unit), { status: 0, output: "" });
  assert.match(verifyUnit(unit.replace("NoNewPrivileges=", "NoNewPrivilegs=")).output, /NoNewPrivilegs/);
  assert.match(verifyUnit(unit.replace(/^ExecStart=.*/m, "")).output, /ExecStart/);
});

test("systemd accepts the capture's unit, which has the one privilege to capture", () => {
  const unit = readFileSync(join(folder, "wiretail-capture@.service"), "utf8");
  assert.deepEqual(verifyUnit(unit, "wiretail-capture@.service"), { status: 0, output: "" });
  for (const line of ["AmbientCapabilities=CAP_NET_RAW", "CapabilityBoundingSet=CAP_NET_RAW", "NoNewPrivileges=yes"])
    assert.ok(unit.split("\n").includes(line), line);
});

test("the unit takes every privilege away, and leaves V8 able to compile", () => {
  const unit = readFileSync(join(folder, "wiretail.service"), "utf8");
  for (const line of [
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "MemoryDenyWriteExecute=no",
    "User=wiretail",
  ]) {
    assert.ok(unit.split("\n").includes(line), line);
  }
});
