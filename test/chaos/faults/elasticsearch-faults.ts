import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyFault } from "../../support/doubles/fault-proxy.ts";
import { between, pick, type Draw, type FaultKind, type World } from "../world.ts";

/** Refusals of a whole call, and of single documents, with the types that Elasticsearch gives them. */
const CALL_REFUSALS = [
  { status: 429, type: "es_rejected_execution_exception" },
  { status: 503, type: "unavailable_shards_exception" },
  { status: 401, type: "security_exception" },
] as const;
const ITEM_REFUSALS = [
  ...CALL_REFUSALS,
  { status: 413, type: "content_too_long_exception" },
  { status: 403, type: "security_exception" },
] as const;

export async function rollOver(world: World): Promise<string> {
  const reply = await fetch(`${world.elasticsearch.url}/${world.dataStream}/_rollover`, { method: "POST" }).catch(
    () => undefined,
  );
  await reply?.arrayBuffer();
  return reply === undefined
    ? "no rollover: the server is down"
    : reply.ok
      ? "rollover"
      : `no rollover: ${reply.status}`;
}

function proxied(
  name: string,
  weight: number,
  draw: (random: () => number) => Draw,
  faultOf: (draw: Draw) => ProxyFault,
  during?: (world: World, draw: Draw) => Promise<string>,
): FaultKind {
  return {
    name,
    lane: "elasticsearch",
    weight,
    draw: (random) => ({ ...draw(random), forMs: between(random, 200, 4_000) }),
    async run(world, drawn) {
      world.elasticsearchProxy.fault = faultOf(drawn);
      try {
        await sleep(Number(drawn["forMs"]) / 2);
        const said = (await during?.(world, drawn)) ?? "";
        await sleep(Number(drawn["forMs"]) / 2);
        return said;
      } finally {
        world.elasticsearchProxy.clear();
      }
    },
  };
}

const shareOf = (random: () => number): number => (random() < 0.5 ? 1 : 0.5);
const rollsOver = (world: World, draw: Draw): Promise<string> =>
  draw["rollover"] === true ? rollOver(world) : Promise.resolve("");

const hang = proxied(
  "es_hang",
  1,
  (random) => ({ share: shareOf(random) }),
  (draw) => ({ kind: "hang", share: Number(draw["share"] ?? 1), inTurns: draw["inTurns"] === true }),
);
const down = proxied(
  "es_unreachable",
  1,
  () => ({}),
  () => ({ kind: "refuse" }),
);
const status = proxied(
  "es_status",
  1.5,
  (random) => ({ ...pick(random, CALL_REFUSALS), share: shareOf(random), retryAfterSeconds: between(random, 0, 1) }),
  (draw) => ({ kind: "status", ...(draw as { status: number; type: string }), share: Number(draw["share"]) }),
);
/** A proxy in front of the server that takes no large bodies: the agent has to halve its calls. */
const tooLarge = proxied(
  "es_too_large",
  0.5,
  (random) => ({ aboveBytes: between(random, 1_000, 30_000) }),
  (draw) => ({ kind: "status", status: 413, type: "content_too_long", aboveBytes: Number(draw["aboveBytes"]) }),
  async (world) => {
    world.allowedDeadLetters.add("too_large");
    return "";
  },
);
const items = proxied(
  "es_items",
  1.5,
  (random) => ({ ...pick(random, ITEM_REFUSALS), share: shareOf(random) }),
  (draw) => ({ kind: "items", ...(draw as { status: number; type: string }), share: Number(draw["share"]) }),
);
const reset = proxied(
  "es_reset",
  1.5,
  (random) => ({ share: shareOf(random), rollover: random() < 0.6 }),
  (draw) => ({ kind: "reset_reply", share: Number(draw["share"]) }),
  rollsOver,
);
/** Later than the agent waits for (request_timeout_ms). */
const late = proxied(
  "es_late",
  1,
  (random) => ({ share: shareOf(random), rollover: random() < 0.6 }),
  (draw) => ({ kind: "late", delayMs: 3_500, share: Number(draw["share"]) }),
  rollsOver,
);

const restart: FaultKind = {
  name: "es_restart",
  lane: "elasticsearch",
  weight: 0.3,
  draw: (random) => ({ downMs: between(random, 0, 2_000) }),
  async run(world, draw) {
    if (!world.elasticsearch.own) return "not ours to kill";
    await world.elasticsearch.kill();
    await sleep(Number(draw["downMs"]));
    await world.elasticsearch.restart();
    return "it is back";
  },
};

const rollover: FaultKind = {
  name: "rollover",
  lane: "elasticsearch",
  weight: 2,
  draw: (random) => ({ times: between(random, 1, 3), pauseMs: between(random, 0, 700) }),
  async run(world, draw) {
    const said: string[] = [];
    for (let i = 0; i < Number(draw["times"]); i++) {
      said.push(await rollOver(world));
      await sleep(Number(draw["pauseMs"]));
    }
    return said.join(", ");
  },
};

const readOnly: FaultKind = {
  name: "read_only",
  lane: "elasticsearch",
  weight: 1,
  draw: (random) => ({ block: pick(random, ["write", "read_only_allow_delete"]), forMs: between(random, 300, 3_000) }),
  async run(world, draw) {
    const set = (value: boolean | null) =>
      world.probe.request("PUT", `/${world.dataStream}/_settings`, {
        [`index.blocks.${String(draw["block"])}`]: value,
      });
    try {
      await set(true);
    } catch (error) {
      return `not blocked: ${String(error).slice(0, 80)}`;
    }
    await sleep(Number(draw["forMs"]));
    await set(null);
    return "writable again";
  },
};

export const ELASTICSEARCH_FAULTS: readonly FaultKind[] = [
  ...[hang, down, status, tooLarge, items, reset, late, restart, rollover, readOnly],
];
