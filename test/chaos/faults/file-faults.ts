import { existsSync } from "node:fs";
import { rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { rotate } from "../../support/traffic.ts";
import { LogFile, settledPosition } from "../log-file.ts";
import { between, pick, type FaultKind, type World } from "../world.ts";

/** logrotate's options by the name of the fault. Two rotations of a file within a second need names that differ. */
const DATED = ["dateext", "dateformat -%Y%m%d-%s"];
const CREATE = "create 0644 root root";
const ROTATIONS: Readonly<Record<string, readonly string[]>> = {
  rotate_rename: [CREATE],
  rotate_nocreate: ["nocreate"],
  rotate_copytruncate: ["copytruncate"],
  rotate_compress: [CREATE, "compress"],
  rotate_delaycompress: [CREATE, "compress", "delaycompress"],
  rotate_dateext: [CREATE, ...DATED],
  rotate_dateext_compress: ["nocreate", "compress", ...DATED],
  rotate_copytruncate_compress: ["copytruncate", "compress", ...DATED],
};
export const ROTATION_NAMES = Object.keys(ROTATIONS);

/** Rotates one of the logs, which nobody writes to meanwhile: what copytruncate itself loses is not the agent's. */
export function rotateSome(world: World, name: string, random: () => number): Promise<string> {
  const log = pick(random, world.writing);
  return log.alone(async () => {
    if (log.size === 0) await log.append(3);
    // Renamed, it is found in one of the folders; packed, nowhere.
    const staysSeen = log.path.startsWith(join(world.logDir, "in/")) && !name.includes("compress");
    const listed = staysSeen ? 0 : await listUnknown(world, log);
    // Names with the time in them differ only from second to second.
    await sleep(Math.max(0, log.rotatedAtMs + 1_100 - Date.now()));
    // logrotate overwrites an uncompressed .1 when it compresses at once, which is not the agent's fault.
    const isOverwriting = name === "rotate_compress" && existsSync(`${log.path}.1`);
    const how = isOverwriting ? "rotate_delaycompress" : name;
    await rotate(log, world.folder, ROTATIONS[how]!);
    log.rotatedAtMs = Date.now();
    log.newFile();
    return `${how} of ${log.name}${listed > 0 ? `, ${listed} lines that it never saw` : ""}`;
  });
}

/**
 * Where rotated names do not match what the agent is to read, and packed ones never do, a file that it did not see
 * under its own name is gone for it: as if it were deleted. It gets some time to see it.
 */
async function listUnknown(world: World, log: LogFile): Promise<number> {
  const isKnown = async (): Promise<boolean> => (await settledPosition(world.stateDir, log.path)) !== undefined;
  for (let i = 0; i < 30 && world.agent.pid !== undefined; i++) {
    if (await isKnown()) return 0;
    await sleep(100);
  }
  return (await isKnown()) ? 0 : world.list(log, "rotated before it was seen");
}

/** Deletes or empties a log. What the agent had not settled then is listed: it may be lost. */
export function destroy(
  world: World,
  how: "delete" | "truncate",
  waits: boolean,
  random: () => number,
): Promise<string> {
  const log = pick(random, world.writing);
  return log.alone(async () => {
    if (log.size === 0) await log.append(3);
    const { size } = log;
    for (let i = 0; waits && i < 40 && ((await settledPosition(world.stateDir, log.path)) ?? 0) < size; i++)
      await sleep(100);
    const position = (await settledPosition(world.stateDir, log.path)) ?? 0;
    const listed = await world.list(log, how);
    if (how === "delete") await rm(log.path);
    else await truncate(log.path, 0);
    log.newFile();
    return `${how} ${log.name} at ${position} of ${size} bytes, ${listed} lines unread`;
  });
}

const rotations = ROTATION_NAMES.map((name): FaultKind => ({
  name,
  lane: "files",
  weight: 0.6,
  draw: (random) => ({ times: random() < 0.7 ? 1 : 2, pauseMs: between(random, 0, 1_000) }),
  async run(world, draw, random) {
    const said: string[] = [];
    for (let i = 0; i < Number(draw["times"]); i++) {
      said.push(await rotateSome(world, name, random));
      await sleep(Number(draw["pauseMs"]));
    }
    return said.join(", ");
  },
}));

const deleteRecreate: FaultKind = {
  name: "delete_recreate",
  lane: "files",
  weight: 1,
  draw: (random) => ({ waits: random() < 0.7 }),
  run: (world, draw, random) => destroy(world, "delete", draw["waits"] === true, random),
};

const truncateInPlace: FaultKind = {
  name: "truncate",
  lane: "files",
  weight: 1,
  draw: (random) => ({ waits: random() < 0.7 }),
  run: (world, draw, random) => destroy(world, "truncate", draw["waits"] === true, random),
};

const manyFiles: FaultKind = {
  name: "many_files",
  lane: "files",
  weight: 0.7,
  draw: () => ({ files: 1_000 }),
  async run(world, draw, random) {
    const group = `${world.logs.length}x`;
    let lines = 0;
    for (let i = 0; i < Number(draw["files"]); i++) {
      const log = new LogFile(`m${group}${i}`, join(world.logDir, `many/${group}/${i}.log`), "text");
      const count = between(random, 1, 4);
      await log.alone(() => log.append(count));
      world.logs.push(log);
      lines += count;
    }
    return `${String(draw["files"])} files with ${lines} lines`;
  },
};

const hugeLine: FaultKind = {
  name: "huge_line",
  lane: "files",
  weight: 0.5,
  draw: () => ({ bytes: 100_000_000 }),
  async run(world, draw) {
    const name = `h${world.logs.length}`;
    const log = new LogFile(name, join(world.logDir, `in/${name}.log`), "huge");
    world.logs.push(log);
    await log.alone(async () => {
      await log.appendHuge(Number(draw["bytes"]));
    });
    return name;
  },
};

const oddBytes: FaultKind = {
  name: "odd_bytes",
  lane: "files",
  weight: 1,
  draw: (random) => ({ lines: between(random, 50, 400) }),
  async run(world, draw) {
    const name = `o${world.logs.length}`;
    const log = new LogFile(name, join(world.logDir, `in/${name}.log`), "odd_bytes");
    world.logs.push(log);
    for (let left = Number(draw["lines"]); left > 0; left -= 25) {
      await log.alone(() => log.append(Math.min(25, left)));
      await sleep(20);
    }
    return name;
  },
};

const halfCharacter: FaultKind = {
  name: "half_character",
  lane: "files",
  weight: 1,
  draw: (random) => ({ times: between(random, 2, 6), pauseMs: between(random, 20, 800) }),
  async run(world, draw, random) {
    const log = pick(random, world.writing);
    for (let i = 0; i < Number(draw["times"]); i++) {
      await log.alone(() => log.appendInHalves(() => sleep(Number(draw["pauseMs"]))));
    }
    return log.name;
  },
};

export const FILE_FAULTS: readonly FaultKind[] = [
  ...rotations,
  ...[deleteRecreate, truncateInPlace, manyFiles, hugeLine, oddBytes, halfCharacter],
];
