import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { waitFor, WIRETAIL } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

/** A terminal of 100 by 12 in tmux with a command in it, ended with the test. */
async function terminal(t: TestContext, command: string) {
  let socket = "";
  const tmux = (...args: string[]): string =>
    execFileSync("tmux", ["-S", socket, "-f", "/dev/null", ...args], { encoding: "utf8" });
  // Before the folder goes: afterwards nobody could reach the server.
  t.after(() => tmux("kill-server"));
  socket = join(await temporaryFolder(t), "tmux");
  tmux("new-session", "-d", "-x", "100", "-y", "12", `env -u NO_COLOR LC_ALL=C.UTF-8 sh -c 'trap : INT; ${command}; echo "exit=$?"; exec sleep 600'`); // prettier-ignore
  const screen = (...flags: string[]): string => tmux("capture-pane", "-p", ...flags);
  return {
    screen,
    keys: (...keys: string[]) => void tmux("send-keys", ...keys),
    async saw(text: string | RegExp): Promise<string> {
      const found = (): boolean => (typeof text === "string" ? screen().includes(text) : text.test(screen()));
      await waitFor(String(text), found, { explain: screen });
      return screen();
    },
  };
}

test("on a terminal levels have colours, traces are folded, and keys go from error to error", async (t) => {
  const file = join(await temporaryFolder(t), "app.log");
  const trace = "\n    at f (a.js:1:1)\n    at g (b.js:2:2)";
  const lines = Array.from({ length: 40 }, (_, i) => (i === 5 || i === 15 ? `ERROR number ${i}${trace}` : `INFO line ${i}`)); // prettier-ignore
  await writeFile(file, lines.join("\n") + "\n");
  const shown = await terminal(t, `"${process.execPath}" "${WIRETAIL}" tail -n all "${file}"`);
  await shown.saw("INFO line 39");
  const text = shown.screen("-S", "-", "-e");
  assert.match(text, /\u001b\[31mERROR number 5\u001b\[.*\+2 lines/);
  shown.keys("E");
  assert.match(await shown.saw("error 2 of 2"), /^› ERROR number 15 {2}\+2 lines/m);
  shown.keys("E");
  await shown.saw("error 1 of 2");
  shown.keys("Enter");
  await shown.saw(/ERROR number 5\n\s+at f \(a\.js/);
  shown.keys("E");
  await shown.saw("no earlier error");
  await appendFile(file, "INFO came meanwhile\n");
  await shown.saw("1 new, 0 errors");
  shown.keys("Space");
  const back = await shown.saw("INFO came meanwhile");
  assert.doesNotMatch(back, /paused/);
  shown.keys("q");
  await shown.saw("exit=0");
});

test("Ctrl-C ends it and gives the terminal back; a pipe on standard input leaves the keys to the terminal", async (t) => {
  const shown = await terminal(t, `(echo ERROR from a pipe; sleep 15) | "${process.execPath}" "${WIRETAIL}" tail -`);
  await shown.saw("ERROR from a pipe");
  shown.keys("e");
  await shown.saw("error 1 of 1");
  shown.keys("C-c");
  await shown.saw("exit=0");
  shown.keys("t", "y", "p", "e", "d");
  await shown.saw("typed");
});

test("--no-follow on a terminal reads no keys and ends", async (t) => {
  const file = join(await temporaryFolder(t), "app.log");
  await writeFile(file, "WARN one\n");
  const shown = await terminal(t, `"${process.execPath}" "${WIRETAIL}" tail --no-follow "${file}"`);
  await shown.saw("exit=0");
  assert.match(shown.screen("-e"), /\u001b\[33m(?:\u001b\[\d+m)*WARN one/);
});
