import type { Location, StageConfig } from "./config/types.ts";
import type { StageChain } from "./stage-chain.ts";

/** One way through a stage, and how many events of the tests took it. */
export interface CoveredBranch {
  /** Place and type of the stage: `2 filter`. */
  readonly stage: string;
  /** What happens there, as the end of "no test in which …". */
  readonly branch: string;
  readonly events: number;
  readonly location: Location;
}

/** Which ways through a pipeline its tests take: add what each test did. */
export class PipelineCoverage {
  readonly #stages: readonly StageConfig[];
  readonly #branches = new Map<string, CoveredBranch>();

  constructor(stages: readonly StageConfig[]) {
    this.#stages = stages;
  }

  /** Adds what the events of one test did. The chain was made with `counts: "branches"`. */
  add(chain: StageChain): void {
    chain.steps.forEach(({ label, counts, conditions, branches }, index) => {
      const { when, onError, definition, location } = this.#stages[index]!;
      const note = (branch: string, events: number): void => {
        const key = `${label}\u0000${branch}`;
        const before = this.#branches.get(key)?.events ?? 0;
        this.#branches.set(key, { stage: label, branch, events: before + events, location });
      };
      const { met, unmet } = conditions ?? { met: counts.in, unmet: 0 };
      if (when === undefined) note("an event gets there", met);
      else {
        note("its `when` is true", met);
        note("its `when` is false", unmet);
      }
      const leftOut = counts.dropped - counts.droppedOnError;
      if (definition.drops === true) {
        note("an event is left out", leftOut);
        note("an event goes on", met - leftOut - counts.failed);
      }
      // Without an `on_error` of its own a failure needs no test: many stages cannot fail.
      if (onError !== "keep") note(`an event fails (on_error: ${onError})`, counts.failed);
      for (const [branch, events] of branches()) note(branch, events);
    });
  }

  get branches(): readonly CoveredBranch[] {
    return [...this.#branches.values()];
  }

  /** Those that no test takes; of a stage that no event gets to, only that. */
  get missing(): readonly CoveredBranch[] {
    const missing = this.branches.filter(({ events }) => events === 0);
    const unreached = new Set(
      this.branches
        .filter(({ branch, events }) => events === 0 && /^(an event gets|its `when` is true)/.test(branch))
        .map(({ stage }) => stage),
    );
    return missing.filter(({ stage, branch }) => !unreached.has(stage) || /^(an event gets|its `when`)/.test(branch));
  }
}
