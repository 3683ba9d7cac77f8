import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyFault } from "../../support/doubles/fault-proxy.ts";
import { between, type FaultKind } from "../world.ts";

function proxied(name: string, fault: ProxyFault): FaultKind {
  return {
    name,
    lane: "cloudwatch",
    weight: 0.7,
    draw: (random) => ({ forMs: between(random, 200, 3_000), share: random() < 0.5 ? 1 : 0.5 }),
    async run(world, draw) {
      world.cloudwatchProxy.fault = { ...fault, share: Number(draw["share"]) };
      try {
        await sleep(Number(draw["forMs"]));
      } finally {
        world.cloudwatchProxy.clear();
      }
      return "";
    },
  };
}

export const CLOUDWATCH_FAULTS: readonly FaultKind[] = [
  proxied("cw_reset", { kind: "reset_reply" }),
  proxied("cw_hang", { kind: "hang" }),
  proxied("cw_throttled", { kind: "status", status: 400, type: "ThrottlingException" }),
];
