import assert from "node:assert/strict";
import { test } from "node:test";
import { serveControl } from "../../../src/runtime/control.ts";
import { lockStateDir } from "../../../src/runtime/state-lock.ts";
import { TAKEOVER_PATH, takeOver } from "../../../src/runtime/takeover.ts";
import { makeContext } from "../../support/context.ts";
import { temporaryFolder } from "../../support/folders.ts";

test("an agent that could not be asked to end is asked again", async (t) => {
  const stateDir = await temporaryFolder(t);
  const held = await lockStateDir(stateDir);
  let asked = 0;
  const control = await serveControl(
    stateDir,
    () => undefined,
    (path) => {
      assert.equal(path, TAKEOVER_PATH);
      // Such as one that had no descriptor left to answer with.
      if (++asked === 1) return Promise.reject(new Error("too many open files"));
      return held.close().then(() => ({}));
    },
  );
  t.after(() => control.close());
  const handle = await takeOver(stateDir, 20_000, makeContext().log);
  await handle.close();
  assert.equal(asked, 2);
});

test("one that cannot be asked at all is not taken over from, and the error says why", async (t) => {
  const stateDir = await temporaryFolder(t);
  const held = await lockStateDir(stateDir);
  t.after(() => held.close());
  await assert.rejects(takeOver(stateDir, 10, makeContext().log), {
    code: "WT_TAKEOVER_FAILED",
    message: /it could not be asked/,
  });
});
