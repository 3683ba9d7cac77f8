import { rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../../support/e2e.ts";
import { destroy, rotateSome, ROTATION_NAMES } from "./file-faults.ts";
import { rollOver } from "./elasticsearch-faults.ts";
import { between, pick, type Draw, type FaultKind, type World } from "../world.ts";

const MEANWHILE = ["nothing", "nothing", "rollover", "destroy", ...ROTATION_NAMES] as const;

/** While the agent is down: a rotation, a deletion, a rollover. */
async function meanwhile(world: World, what: string, random: () => number): Promise<string> {
  if (what === "nothing") return "";
  if (what === "rollover") return `, meanwhile ${await rollOver(world)}`;
  if (what === "destroy")
    return `, meanwhile ${await destroy(world, random() < 0.5 ? "delete" : "truncate", false, random)}`;
  return `, meanwhile ${await rotateSome(world, what, random)}`;
}

/** `kill -9`, and what the dead process sent last has arrived or is lost. */
export async function kill(world: World): Promise<void> {
  await world.agent.kill9();
  // What the dead process sent last may still be on its way.
  await Promise.all([world.elasticsearchProxy.idle(), world.cloudwatchProxy.idle()]);
  world.cloudwatchCalls.killed();
}

function downDraw(random: () => number): Draw {
  return { downMs: random() < 0.4 ? 0 : between(random, 50, 1_500), meanwhile: pick(random, MEANWHILE) };
}

async function downTime(world: World, draw: Draw, random: () => number): Promise<string> {
  const said = await meanwhile(world, String(draw["meanwhile"]), random);
  await sleep(Number(draw["downMs"]));
  await world.agent.start();
  return said;
}

const kill9: FaultKind = {
  name: "kill9",
  lane: "agent",
  weight: 4,
  draw: downDraw,
  run: (world, draw, random) =>
    world.agent.alone(async () => {
      await kill(world);
      return `killed${await downTime(world, draw, random)}`;
    }),
};

const sigterm: FaultKind = {
  name: "sigterm",
  lane: "agent",
  weight: 1,
  draw: downDraw,
  run: (world, draw, random) =>
    world.agent.alone(async () => {
      if (world.agent.pid === undefined) return "it was down";
      await world.agent.stop();
      // A call that SIGTERM's time-out cut off has no answer either.
      return `stopped${await downTime(world, draw, random)}`;
    }),
};

const sigstop: FaultKind = {
  name: "sigstop",
  lane: "agent",
  weight: 1,
  draw: (random) => ({ forMs: between(random, 100, 6_000) }),
  run: (world, draw) =>
    world.agent.alone(async () => {
      world.agent.signal("SIGSTOP");
      // An answer that comes while it is stopped may come too late for it, although its socket took it.
      world.cloudwatchCalls.killed();
      try {
        await sleep(Number(draw["forMs"]));
      } finally {
        world.cloudwatchCalls.killed();
        world.agent.signal("SIGCONT");
      }
      return "went on";
    }),
};

const reload: FaultKind = {
  name: "reload",
  lane: "agent",
  weight: 1,
  draw: (random) => ({
    elasticsearchName: pick(random, ["es", "es", "search"]),
    maxAgeMs: between(random, 20, 200),
    reversed: random() < 0.5,
  }),
  run: (world, draw) =>
    world.agent.alone(async () => {
      const { elasticsearchName, maxAgeMs, reversed } = draw as { [key in keyof Draw]: never };
      await world.writeHost({ elasticsearchName: elasticsearchName!, maxAgeMs: maxAgeMs!, reversed: reversed! });
      const running = world.agent.current;
      const times = (): number => running.stderr.split("configuration reloaded").length;
      const before = times();
      world.agent.signal("SIGHUP");
      try {
        await waitFor("the reload", () => times() > before || running.isEnded, { withinMs: 15_000 });
      } catch {
        return "not in force after 15 s";
      }
      return "in force";
    }),
};

/** A new file gets the inode of one that was deleted: the agent must not hold that open, so it is down. */
const inodeReuse: FaultKind = {
  name: "inode_reuse",
  lane: "agent",
  weight: 1,
  draw: (random) => ({ kill: random() < 0.5, lines: between(random, 1, 40) }),
  run: (world, draw, random) =>
    world.agent.alone(async () => {
      if (draw["kill"] === true || world.agent.pid === undefined) await kill(world);
      else await world.agent.stop();
      const log = pick(random, world.writing);
      const said = await log.alone(async () => {
        await log.append(1);
        const { ino } = await stat(log.path);
        const listed = await world.list(log, "inode reuse");
        await rm(log.path);
        log.newFile();
        await log.append(Number(draw["lines"]));
        const isSame = (await stat(log.path)).ino === ino;
        return `${log.name}: ${isSame ? "the same inode" : "another inode"}, ${listed} lines unread`;
      });
      await world.agent.start();
      return said;
    }),
};

const takeover: FaultKind = {
  name: "takeover",
  lane: "agent",
  weight: 1,
  draw: () => ({}),
  run: (world) => world.agent.alone(() => world.agent.takeover()),
};

export const AGENT_FAULTS: readonly FaultKind[] = [kill9, sigterm, sigstop, reload, inodeReuse, takeover];
