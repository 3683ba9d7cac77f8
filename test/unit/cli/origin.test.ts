import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventAt, lastEvents } from "../../../src/cli/origin.ts";
import { temporaryFolder } from "../../support/folders.ts";

const docker = (log: string, stream = "stdout"): string =>
  JSON.stringify({ log, stream, time: "2026-11-21T10:00:00Z" }) + "\n";
const RULES = { maxLineBytes: 1 << 20, container: "docker" } as const;

test("a line that a container's runtime split is read whole where it begins, also between lines of the other stream", async (t) => {
  const path = join(await temporaryFolder(t), "c-json.log");
  const lines = [docker("one\n"), docker("first "), docker("oh\n", "stderr"), docker("second "), docker("third\n")];
  await writeFile(path, lines.join(""));
  const whole = await eventAt(path, lines[0]!.length, RULES);
  assert.ok("text" in whole);
  assert.equal((JSON.parse(whole.text) as { log: string }).log, "first second third\n");
  const last = await lastEvents(path, 10, RULES);
  assert.deepEqual(
    last.map(({ text }) => (JSON.parse(text) as { log: string }).log),
    ["one\n", "first second third\n", "oh\n"],
  );
  // Where a part begins that is no beginning of a line, the rest of it is all that can be told.
  const offset = lines.slice(0, 3).join("").length;
  const rest = await eventAt(path, offset, RULES);
  assert.ok("text" in rest);
  assert.equal((JSON.parse(rest.text) as { log: string }).log, "second third\n");
});
