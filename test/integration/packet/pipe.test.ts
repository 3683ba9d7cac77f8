import assert from "node:assert/strict";
import { closeSync, fstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { CaptureChild } from "../../../src/sources/packet/child.ts";
import { openPipe } from "../../../src/sources/packet/pipe.ts";
import { temporaryFolder } from "../../support/folders.ts";

/** Names of temporary files are made in this folder until the test ends. */
function temporaryFiles(t: TestContext, folder: string): void {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  t.after(() => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  });
}

async function outputOf(argv: readonly string[]): Promise<{ bytes: Buffer; ok: boolean }> {
  const child = new CaptureChild(argv, () => undefined);
  const chunks: Uint8Array[] = [];
  for await (const chunk of child.stdout) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), ok: (await child.ended).ok };
}

const WRITER = ["sh", "-c", 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo "line $i"; done'];
const WRITTEN = Array.from({ length: 20_000 }, (_, i) => `line ${i + 1}\n`).join("");

test("what a program writes comes by a pipe of the kernel, whole and in order, and the pipe has no name any more", async (t) => {
  const folder = await temporaryFolder(t);
  temporaryFiles(t, folder);
  const pipe = openPipe()!;
  assert.ok(fstatSync(pipe.writeFd).isFIFO());
  closeSync(pipe.writeFd);
  for await (const chunk of pipe.stream) assert.fail(`nobody wrote ${String(chunk)}`);
  const { bytes, ok } = await outputOf(WRITER);
  assert.ok(ok);
  assert.equal(bytes.toString(), WRITTEN);
  assert.deepEqual(readdirSync(folder), []);
});

test("where no pipe can be made it comes all the same", async (t) => {
  temporaryFiles(t, join(await temporaryFolder(t), "not there"));
  assert.equal(openPipe(), undefined);
  const { bytes, ok } = await outputOf(WRITER);
  assert.ok(ok);
  assert.equal(bytes.toString(), WRITTEN);
});

test("a program that is not there is said to be missing", async () => {
  const child = new CaptureChild(["wiretail-no-such-program"], () => undefined);
  for await (const chunk of child.stdout) assert.fail(`nobody wrote ${String(chunk)}`);
  assert.equal((await child.ended).isMissing, true);
});
