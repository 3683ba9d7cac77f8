import type { KeptState } from "../core/component.ts";

/** What a stage keeps over restarts, by the stage's own methods. `load` gets what `save` gave, read from JSON. */
export function keptState<S>(
  version: () => number,
  save: (isKnown: (partitionId: string) => boolean) => S,
  load: (saved: S) => void,
): KeptState {
  return {
    get version() {
      return version();
    },
    save,
    load: (state) => {
      load(state as S);
    },
  };
}
