import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly firstEventsMs: number;
}

/** Runs the demo as `npm run demo` does on a checkout that is built. */
async function demo(args: readonly string[], interruptAfter?: RegExp): Promise<Ended> {
  const started = performance.now();
  const child = spawn(process.execPath, ["scripts/demo.mjs", ...args], {
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let firstEventsMs = Infinity;
  const read = (text: string): void => {
    output += text;
    if (firstEventsMs === Infinity && /[1-9][\d,]* events in the store/.test(output)) {
      firstEventsMs = performance.now() - started;
    }
    if (interruptAfter?.test(output) === true && !child.killed) child.kill("SIGINT");
  };
  child.stdout.setEncoding("utf8").on("data", read);
  child.stderr.setEncoding("utf8").on("data", read);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output, firstEventsMs };
}

test("the demo shows live counts, live events, rates, a search, a histogram, top values and a journey, and ends by itself with nothing lost", async () => {
  const { code, output, firstEventsMs } = await demo(["--seconds", "8"]);
  assert.equal(code, 0, output);
  assert.ok(firstEventsMs < 15_000, `first events after ${Math.round(firstEventsMs)} ms\n${output}`);
  assert.match(output, /connections\.log/);
  assert.match(output, /\$ bin\/wiretail tail [^]*access\.log: nginx-access/);
  assert.match(output, /\$ bin\/wiretail tap [^]*matched = [\d,]+ shown/);
  assert.match(output, /\$ bin\/wiretail top [^]*IN\/s/);
  assert.match(output, /\$ bin\/wiretail search .*--limit/);
  assert.match(output, /\$ bin\/wiretail search --trace [^]*store {2}✓ delivered/);
  assert.match(output, /\$ bin\/wiretail search .*--histogram/);
  assert.match(output, /\$ bin\/wiretail search .*--top/);
  assert.match(output, /every line is in the store/);
  assert.ok(!output.includes("\u001b"), "NO_COLOR leaves no escape sequence");
});

test("Ctrl-C ends the demo cleanly", async () => {
  const { code, output } = await demo([], /[1-9][\d,]* events in the store/);
  assert.equal(code, 0, output);
  assert.match(output, /every line is in the store/);
});
