import type { ComponentLists } from "../runtime/config/load.ts";

/** Every component there is: the one list. To add one, write its folder and put it here. */
export const components: ComponentLists = {
  sources: [],
  stages: [],
  sinks: [],
};
