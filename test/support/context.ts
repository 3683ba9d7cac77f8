import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context, Placeholders } from "../../src/core/component.ts";

export interface LoggedMessage {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** A Context that remembers what a component said and counted. */
export interface TestContext extends Context {
  readonly logged: LoggedMessage[];
  /** Sums of counters and last values of gauges, by name. */
  readonly measured: Map<string, number>;
  /** Removes the state folder, if one was made, before the process ends. */
  dispose(): void;
}

export const TEST_PLACEHOLDERS: Placeholders = {
  hostname: "test-host",
  instanceId: "i-0123456789",
  ipAddress: "192.0.2.7",
  awsRegion: "eu-west-1",
  accountId: "123456789012",
};

/** State folders that nobody removed yet. */
const stateDirs = new Set<string>();
process.on("exit", () => {
  for (const folder of stateDirs) rmSync(folder, { recursive: true, force: true });
});

function makeStateDir(): string {
  const folder = mkdtempSync(join(tmpdir(), "wiretail-test-"));
  stateDirs.add(folder);
  return folder;
}

/** `now` and `sleep` are the real ones unless given: pass both to a unit test that must not take real time. */
export function makeContext(
  options: Partial<Pick<Context, "id" | "now" | "sleep" | "placeholders">> = {},
): TestContext {
  const logged: LoggedMessage[] = [];
  const measured = new Map<string, number>();
  let stateDir: string | undefined;
  const say =
    (level: LoggedMessage["level"]) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      logged.push({ level, message, fields });
    };
  return {
    id: options.id ?? "test",
    log: { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") },
    metrics: {
      counter: (name) => ({ add: (amount) => void measured.set(name, (measured.get(name) ?? 0) + amount) }),
      gauge: (name) => ({ set: (value) => void measured.set(name, value) }),
    },
    get stateDir() {
      return (stateDir ??= makeStateDir());
    },
    now: options.now ?? Date.now,
    monotonicMs: options.now ?? (() => performance.now()),
    sleep:
      options.sleep ??
      (async (ms, signal) => {
        await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      }),
    placeholders: options.placeholders ?? TEST_PLACEHOLDERS,
    logged,
    measured,
    dispose: () => {
      if (stateDir === undefined) return;
      rmSync(stateDir, { recursive: true, force: true });
      stateDirs.delete(stateDir);
    },
  };
}
