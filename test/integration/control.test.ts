import assert from "node:assert/strict";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { WiretailError } from "../../src/core/error.ts";
import { askAgent, serveControl } from "../../src/runtime/control.ts";
import { lockStateDir, makeStateDir } from "../../src/runtime/state-lock.ts";
import { temporaryFolder } from "../support/folders.ts";

const hello = (path: string) => (path === "/hello" ? { status: 200, type: "text/plain", body: "hi" } : undefined);

test("questions and commands are answered on a socket for the agent's user alone", async (t) => {
  const stateDir = await temporaryFolder(t);
  const control = await serveControl(stateDir, hello, (path, body) =>
    path === "/double" ? Promise.resolve((body as { n: number }).n * 2) : undefined,
  );
  try {
    assert.equal((await stat(join(stateDir, "control.sock"))).mode & 0o777, 0o600);
    assert.equal(await askAgent(stateDir, "/hello"), "hi");
    assert.equal(JSON.parse(await askAgent(stateDir, "/double", { body: { n: 21 } })), 42);
    await assert.rejects(askAgent(stateDir, "/nowhere"), { code: "WT_NO_AGENT" });
    await assert.rejects(askAgent(stateDir, "/nowhere", { body: {} }), { code: "WT_NO_AGENT" });
  } finally {
    await control.close();
  }
  await assert.rejects(askAgent(stateDir, "/hello"), /does not run/);
});

test("a socket that cannot be announced is closed again: it would keep the process from ending", async (t) => {
  const stateDir = await temporaryFolder(t);
  await mkdir(join(stateDir, "control.path"));
  await assert.rejects(serveControl(stateDir, hello), { code: "EISDIR" });
  await assert.rejects(stat(join(stateDir, "control.sock")), { code: "ENOENT" });
  assert.ok(!process.getActiveResourcesInfo().includes("PipeServerWrap"));
});

test("what a command throws is thrown again on the other side, with its code and hint", async (t) => {
  const stateDir = await temporaryFolder(t);
  const control = await serveControl(stateDir, hello, async (path) => {
    if (path === "/defect") throw new TypeError("no such thing");
    throw new WiretailError("WT_USAGE", "not so", { hint: "so" });
  });
  try {
    await assert.rejects(askAgent(stateDir, "/usage", { body: {} }), {
      code: "WT_USAGE",
      message: "not so",
      hint: "so",
    });
    await assert.rejects(askAgent(stateDir, "/defect", { body: {} }), {
      code: "WT_INTERNAL",
      message: "no such thing",
    });
    await assert.rejects(
      askAgent(stateDir, "/large", { body: "x".repeat(5 << 20) }),
      /too large|EPIPE|ECONNRESET|hang up/,
    );
  } finally {
    await control.close();
  }
});

test("an agent that hangs is given up after the time that was asked for", async (t) => {
  const stateDir = await temporaryFolder(t);
  const control = await serveControl(stateDir, hello, () => new Promise(() => undefined));
  try {
    await assert.rejects(askAgent(stateDir, "/hang", { body: {}, timeoutMs: 50 }), /no answer within 0.05 s/);
  } finally {
    await control.close();
  }
});

test("a state directory whose path is too long for a socket is served elsewhere, and found", async (t) => {
  const stateDir = join(await temporaryFolder(t), "x".repeat(100));
  await makeStateDir(stateDir);
  const control = await serveControl(stateDir, hello);
  try {
    assert.equal(await askAgent(stateDir, "/hello"), "hi");
  } finally {
    await control.close();
  }
});

test("a state directory has one holder at a time, and the next one may wait for it", async (t) => {
  const stateDir = await temporaryFolder(t);
  const first = await lockStateDir(stateDir);
  await assert.rejects(lockStateDir(stateDir), (error: WiretailError) => {
    assert.equal(error.code, "WT_STATE_LOCKED");
    assert.match(error.message, new RegExp(`process ${process.pid}`));
    return true;
  });
  await assert.rejects(lockStateDir(stateDir, 100), { code: "WT_STATE_LOCKED" });
  const waiting = lockStateDir(stateDir, 10_000);
  await first.close();
  await (await waiting).close();
});
