import { randomOf } from "../support/traffic.ts";
import { AGENT_FAULTS } from "./faults/agent-faults.ts";
import { CLOUDWATCH_FAULTS } from "./faults/cloudwatch-faults.ts";
import { ELASTICSEARCH_FAULTS } from "./faults/elasticsearch-faults.ts";
import { FILE_FAULTS } from "./faults/file-faults.ts";
import { HOST_FAULTS } from "./faults/host-faults.ts";
import { JOURNAL_FAULTS } from "./faults/journal-faults.ts";
import { hashOf } from "./lines.ts";
import { between, pick, type Draw, type FaultKind } from "./world.ts";

export const FAULT_KINDS: readonly FaultKind[] = [
  ...AGENT_FAULTS,
  ...FILE_FAULTS,
  ...ELASTICSEARCH_FAULTS,
  ...CLOUDWATCH_FAULTS,
  ...HOST_FAULTS,
  ...JOURNAL_FAULTS,
];

/** Kinds of every run, unless fewer are asked for. */
export const KINDS_A_RUN = 10;
/** On the average one fault begins in so many seconds. */
const SECONDS_A_FAULT = 1.6;

export interface PlannedFault {
  readonly kind: FaultKind;
  /** When it begins, in milliseconds from the start; later when its lane is not free. */
  readonly atMs: number;
  readonly draw: Draw;
  /** Of the random numbers that it draws while it runs. */
  readonly seed: number;
}

/** Draws the faults of a run: the same for the same seed, seconds and kinds. Sorted by time. */
export function drawPlan(seed: number, seconds: number, kinds: readonly FaultKind[]): PlannedFault[] {
  const random = randomOf(hashOf(`plan ${seed}`));
  const drawn: FaultKind[] = [];
  // Each at least once, then by weight.
  const rest = [...kinds];
  while (rest.length > 0 && drawn.length < KINDS_A_RUN) {
    const kind = weighted(random, rest);
    drawn.push(kind);
    rest.splice(rest.indexOf(kind), 1);
  }
  const first = [...drawn];
  while (drawn.length < seconds / SECONDS_A_FAULT) drawn.push(weighted(random, first));
  return drawn
    .map((kind) => ({
      kind,
      atMs: between(random, 300, seconds * 1000),
      draw: kind.draw(random),
      seed: Math.floor(random() * 2 ** 31),
    }))
    .sort((a, b) => a.atMs - b.atMs);
}

function weighted(random: () => number, kinds: readonly FaultKind[]): FaultKind {
  let at = random() * kinds.reduce((sum, kind) => sum + kind.weight, 0);
  return kinds.find((kind) => (at -= kind.weight) < 0) ?? pick(random, kinds);
}

/** A plan by hand: what, when in milliseconds, and how. */
export function planOf(faults: readonly (readonly [name: string, atMs: number, draw: Draw])[]): PlannedFault[] {
  return faults.map(([name, atMs, draw], i) => ({ kind: kindsOf([name])[0]!, atMs, draw, seed: i }));
}

/** The kinds of these names; all for none. Throws what is wrong with a name. */
export function kindsOf(names: readonly string[]): readonly FaultKind[] {
  if (names.length === 0) return FAULT_KINDS;
  return names.map((name) => {
    const kind = FAULT_KINDS.find((each) => each.name === name);
    if (kind === undefined)
      throw new Error(`no kind of fault "${name}"; there are ${FAULT_KINDS.map((each) => each.name).join(" ")}`);
    return kind;
  });
}
