import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { command } from "../../../src/sources/command/index.ts";
import type { Source } from "../../../src/core/component.ts";
import { MemoryOutput, sourceContext, until } from "../../support/source-output.ts";

const DEFAULTS = {
  environment: {},
  restart: true,
  restart_min_delay_ms: 20,
  restart_max_delay_ms: 50,
  stderr: "log" as const,
  kill_grace_ms: 2000,
  max_line_bytes: 1000,
  encoding: "utf-8",
};

function start(
  options: Partial<typeof DEFAULTS | { stderr: "events" | "ignore" }> & { command: string[] },
  once = false,
  openMs = 0,
) {
  const context = sourceContext("/nonexistent", { once });
  const output = new MemoryOutput();
  const open = output.open.bind(output);
  if (openMs > 0) output.open = (partition) => sleep(openMs).then(() => open(partition));
  const source = command.create({ ...DEFAULTS, ...options }, context) as Source;
  const stop = new AbortController();
  const done = source.run(output, stop.signal);
  done.catch(() => undefined);
  return { output, source, messages: context.messages, stop: () => (stop.abort(), done), done };
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("command", () => {
  it("reads what a program prints, with its environment, and ends with it when run once", async () => {
    const { output, done } = start(
      { command: ["sh", "-c", 'echo one; printf "$WORD"'], environment: { WORD: "tail" } },
      true,
    );
    await done;
    assert.deepEqual(output.texts(), ["one", "tail"]);
    assert.deepEqual(
      output.events().map((event) => event.offset),
      [0, 1],
    );
  });

  it("reads output in another encoding", async () => {
    const { output, done } = start({ command: ["printf", "gr\\374n\\nblau\\n"], encoding: "latin1" }, true);
    await done;
    assert.deepEqual(output.texts(), ["grün", "blau"]);
  });

  it("starts a program again that exits, each run a partition of its own", async () => {
    const { output, stop, messages } = start({ command: ["sh", "-c", "echo again; exit 3"] });
    await until(() => output.count >= 3);
    await stop();
    assert.equal(new Set(output.events().map((event) => event.partition)).size, output.count);
    assert.match(messages.join("\n"), /exited with code 3; started again in \d+ ms/);
  });

  it("passes no argument through a shell", async () => {
    const { output, done } = start({ command: ["echo", "$HOME; ls *"] }, true);
    await done;
    assert.deepEqual(output.texts(), ["$HOME; ls *"]);
  });

  it("ends the program and what it started when it is stopped", async () => {
    const { output, stop } = start({ command: ["sh", "-c", "sleep 1000 & echo $!; echo $$; wait"] });
    await until(() => output.count === 2);
    const pids = output.texts().map(Number);
    assert.ok(pids.every(alive));
    await stop();
    await until(
      () => !pids.some(alive),
      () => `${pids.join()} to end`,
    );
  });

  it("kills a program that does not heed SIGTERM", async () => {
    const { output, stop } = start({
      command: ["sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.05; done"],
      kill_grace_ms: 100,
    });
    await until(() => output.count === 1);
    const pid = Number(output.texts()[0]);
    await stop();
    assert.ok(!alive(pid));
  });

  it("logs standard error within a limit, or gives it as events", async () => {
    const noisy = ["sh", "-c", "for i in $(seq 100); do echo warn $i >&2; done; echo out"];
    const logged = start({ command: noisy }, true);
    await logged.done;
    assert.deepEqual(logged.output.texts(), ["out"]);
    assert.equal(logged.messages.filter((message) => message.includes(": warn ")).length, 20);
    assert.match(logged.messages.join("\n"), /80 lines of standard error left out/);
    const shipped = start({ command: noisy, stderr: "events" }, true);
    await shipped.done;
    assert.equal(shipped.output.count, 101);
  });

  it("loses nothing of a program that has ended before its outputs are known", async () => {
    const { output, done } = start({ command: ["sh", "-c", "echo warn >&2; echo out"], stderr: "events" }, true, 150);
    await done;
    assert.deepEqual(output.texts().sort(), ["out", "warn"]);
  });

  it("says when a program cannot be started, and tries again", async () => {
    const { source, messages, stop } = start({ command: ["/nonexistent/program"] });
    await until(() => messages.length >= 2);
    assert.match(messages[0]!, /did not start.*ENOENT/);
    assert.ok(source.inputs()[0]!.error !== undefined);
    await stop();
    await assert.rejects(start({ command: ["/nonexistent/program"] }, true).done, { code: "WT_SOURCE_FAILED" });
  });
});
