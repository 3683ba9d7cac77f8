import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { damageJournal, unsettledRecords, type DamagedPart, type ExpectedReport } from "../journal-damage.ts";
import { between, pick, type FaultKind, type World } from "../world.ts";
import { kill } from "./agent-faults.ts";

/** With more memory a run is too short to fill it. */
const MOST_MEMORY_BYTES = 16 << 20;
const FILL_MS = 15_000;

/** With Elasticsearch gone, more is written than memory holds, until its events go through the journal. */
async function fillJournal(world: World, random: () => number): Promise<boolean> {
  for (const deadline = Date.now() + FILL_MS; Date.now() < deadline;) {
    if ((await unsettledRecords(world.stateDir)).length >= 6) return true;
    const log = pick(random, world.writing);
    await log.alone(() => log.append(500));
    await sleep(50);
  }
  return false;
}

/** What an agent says at its start about the state of its journal. */
function reportIn(said: string): { damaged: readonly [number, number]; torn: readonly [number, number] } {
  const of = (pattern: RegExp): readonly [number, number] => {
    const match = pattern.exec(said);
    return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  };
  return {
    damaged: of(/the journal is damaged: .* bytes=(\d+) records=(\d+)/),
    torn: of(/the end of the journal was cut off: .* bytes=(\d+) records=(\d+)/),
  };
}

function checkReport(said: string, expected: ExpectedReport): void {
  const { damaged, torn } = reportIn(said);
  const wanted = JSON.stringify(expected);
  assert.deepEqual(damaged, [expected.damagedBytes, expected.lostRecords], `it had to report ${wanted}`);
  assert.equal(torn[0], expected.tornBytes, `it had to report ${wanted}`);
  assert.ok(
    torn[1] >= expected.leastTornRecords && torn[1] <= expected.mostTornRecords,
    `it reported ${torn[1]} records cut off; it had to report ${wanted}`,
  );
}

/** The disk changes bytes of what waits in the journal, while the agent is down. */
const journalDamage: FaultKind = {
  name: "journal_damage",
  lane: "elasticsearch",
  weight: 0.7,
  draw: (random) => ({
    count: between(random, 1, 3),
    part: pick(random, ["documents", "head", "header", "anywhere"]),
    isTail: random() < 0.3,
  }),
  async run(world, draw, random) {
    if (world.memoryBudgetBytes > MOST_MEMORY_BYTES) return "more memory than could be filled";
    world.elasticsearchProxy.fault = { kind: "refuse" };
    try {
      if (!(await fillJournal(world, random))) return "the journal was not used";
      return await world.agent.alone(async () => {
        await kill(world);
        const { count, part, isTail } = draw as { count: number; part: DamagedPart; isTail: boolean };
        const done = await damageJournal(world.stateDir, { count, part, isTail }, random);
        const said = await world.agent.start();
        if (done === undefined) return "nothing was in the journal";
        const { tokens, waiting, records, expected } = done;
        // The agent reads again what it lost, and what came after it, where there still is something to read.
        const gone = [...waiting].filter((token) => world.destroyed.has(token));
        world.unreadable.push(...gone.map((token) => ({ token, why: "in a damaged journal, and its file is gone" })));
        checkReport(said, expected);
        return `${records} records with ${tokens.size} lines, ${expected.damagedBytes + expected.tornBytes} bytes, ${gone.length} lines of the journal are in no file any more`;
      });
    } finally {
      world.elasticsearchProxy.clear();
    }
  },
};

export const JOURNAL_FAULTS: readonly FaultKind[] = [journalDamage];
