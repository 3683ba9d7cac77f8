import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";

const WRITER = join(import.meta.dirname, "../../support/file-sink-writer.js");
const LINES = 15_000;
const KILLS = 20;

/** Runs the writer; kills it after `killAfterMs`, or lets it end. Resolves with whether it ended by itself. */
async function runWriter(path: string, seed: number, killAfterMs: number | undefined): Promise<boolean> {
  const child = spawn(process.execPath, [WRITER, path, String(LINES), String(seed)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  await new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      resolve();
    });
    child.once("close", () => resolve());
  });
  if (killAfterMs !== undefined) {
    await sleep(killAfterMs);
    child.kill("SIGKILL");
  }
  const code = await exit;
  assert.ok(code === 0 || code === null, `the writer failed: ${errors}`);
  return output.includes("done");
}

test("killed with SIGKILL again and again, over rotation and compression, the file sink has every line exactly once", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wiretail-file-kill-"));
  const path = join(folder, "events.log");
  try {
    let kills = 0;
    for (let run = 1; run <= KILLS; run++) {
      if (await runWriter(path, run * 7919, Math.random() * 150)) break;
      kills++;
    }
    assert.ok(kills >= 5, `only ${kills} kills hit a running writer`);
    t.diagnostic(`${kills} kills`);
    assert.equal(await runWriter(path, 1, undefined), true);

    const seen = new Map<string, number>();
    let files = 0;
    for (const name of await readdir(folder)) {
      if (name.endsWith(".wiretail") || name.endsWith(".tmp")) continue;
      // Compressed and not yet removed when it was killed: the same file twice.
      if (!name.endsWith(".gz") && (await readdir(folder)).includes(`${name}.gz`)) continue;
      files++;
      const bytes = await readFile(join(folder, name));
      const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
      assert.ok(text === "" || text.endsWith("\n"), `${name} ends inside a line`);
      for (const line of text.split("\n").slice(0, -1)) seen.set(line, (seen.get(line) ?? 0) + 1);
    }
    assert.ok(files > 3, "it was rotated");
    const wrong: string[] = [];
    for (const partition of ["partition-aaaaaa", "partition-bbbbbb"]) {
      for (let i = 0; i < LINES; i++) {
        const line = `${partition} line ${i}`;
        if (seen.get(line) !== 1) wrong.push(`${line}: ${seen.get(line) ?? 0} times`);
      }
    }
    assert.deepEqual(wrong.slice(0, 5), []);
    assert.equal(seen.size, 2 * LINES, "nothing else is in the files");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
