import { execFile } from "node:child_process";
import { chmod, open, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { AGENT_USER } from "../chaos-agent.ts";
import { between, pick, type FaultKind } from "../world.ts";

const run = promisify(execFile);

/** As the agent's own user: without CAP_SYS_RESOURCE root may not change other users' processes. */
function prlimit(pid: number, ...args: readonly string[]): Promise<{ stdout: string }> {
  const become = [`--reuid=${AGENT_USER}`, `--regid=${AGENT_USER}`, "--clear-groups"];
  return run("setpriv", [...become, "prlimit", "--pid", String(pid), ...args]);
}
const MAX_STEP_SECONDS = 3_000;

/** The state directory is a small file system of its own: here it gets full. */
const diskFull: FaultKind = {
  name: "disk_full",
  lane: "host",
  weight: 1,
  draw: (random) => ({
    forMs: between(random, 500, 5_000),
    leaveBytes: random() < 0.5 ? 0 : between(random, 0, 60_000),
  }),
  async run(world, draw) {
    const ballast = join(world.stateDir, "ballast");
    world.agent.mayFail = true;
    const file = await open(ballast, "w");
    let written = 0;
    try {
      const block = Buffer.alloc(1 << 16);
      for (let length = block.length; length >= 1;) {
        try {
          const { bytesWritten } = await file.write(block, 0, length);
          written += bytesWritten;
          if (bytesWritten < length) length = bytesWritten;
        } catch {
          length >>= 1;
        }
      }
      if (written > Number(draw["leaveBytes"])) await file.truncate(written - Number(draw["leaveBytes"]));
      await sleep(Number(draw["forMs"]));
    } finally {
      await file.close();
      await rm(ballast, { force: true });
      world.agent.mayFail = false;
    }
    return `${written} bytes of ballast`;
  },
};

/** CloudWatch takes events of up to two hours ahead. */
const clockStep: FaultKind = {
  name: "clock_step",
  lane: "host",
  weight: 1,
  draw: (random) => ({
    toSeconds: between(random, -MAX_STEP_SECONDS, MAX_STEP_SECONDS),
    thenSeconds: between(random, -MAX_STEP_SECONDS, MAX_STEP_SECONDS),
    forMs: between(random, 1_200, 5_000),
  }),
  async run(world, draw) {
    await world.agent.stepClock(Number(draw["toSeconds"]));
    await sleep(Number(draw["forMs"]));
    await world.agent.stepClock(Number(draw["thenSeconds"]));
    return "";
  },
};

const descriptors: FaultKind = {
  name: "descriptors",
  lane: "host",
  weight: 1,
  draw: (random) => ({ forMs: between(random, 500, 4_000), spare: between(random, 0, 2) }),
  async run(world, draw) {
    const { pid } = world.agent;
    if (pid === undefined) return "it was down";
    // One that starts has to have what it takes.
    world.agent.mayFail = true;
    world.agent.isShortOfDescriptors = true;
    try {
      const open = await readdir(`/proc/${pid}/fd`);
      const highest = Math.max(...open.map(Number));
      const { stdout: before } = await prlimit(pid, "--nofile", "-o", "SOFT", "--noheadings");
      const most = Math.min(highest + 1, open.length + Number(draw["spare"]));
      await prlimit(pid, `--nofile=${most}:`);
      await sleep(Number(draw["forMs"]));
      await prlimit(pid, `--nofile=${before.trim()}:`);
      return `${open.length} were open`;
    } catch (error) {
      return `it was killed meanwhile (${String(error).slice(0, 150)})`;
    } finally {
      // One that found none left in the last moment takes a while to end.
      await sleep(1_000);
      world.agent.mayFail = false;
      world.agent.isShortOfDescriptors = false;
    }
  },
};

const permission: FaultKind = {
  name: "permission",
  lane: "host",
  weight: 1,
  draw: (random) => ({ what: pick(random, ["file", "folder"]), forMs: between(random, 300, 4_000) }),
  async run(world, draw, random) {
    const log = pick(random, world.writing);
    const forMs = Number(draw["forMs"]);
    if (draw["what"] === "folder") {
      const folder = dirname(log.path);
      await chmod(folder, 0o000);
      await sleep(forMs);
      await chmod(folder, 0o755);
      return folder;
    }
    // Rotated meanwhile, nobody would know whose permission to give back.
    return log.alone(async () => {
      if (log.size === 0) await log.append(2);
      await chmod(log.path, 0o000);
      await sleep(forMs);
      await chmod(log.path, 0o644);
      return log.name;
    });
  },
};

export const HOST_FAULTS: readonly FaultKind[] = [diskFull, clockStep, descriptors, permission];
