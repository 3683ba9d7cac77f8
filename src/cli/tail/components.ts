import { DELIVERED, DROP, defineSink, defineSource, defineStage, type AnySource } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { t } from "../../core/schema.ts";
import type { ComponentLists } from "../../runtime/config/load.ts";
import { parseIdentity } from "../../sources/file/identity.ts";
import { components } from "../components.ts";
import { StdinTail } from "./stdin-tail.ts";

/** What the components of `tail` need of it. */
export interface TailHooks {
  /** Where to begin in a file that is there at the start: a byte at which a line begins. Asked once a file. */
  startOf(path: string): number | undefined;
  /** What was read of standard input to recognise its format. */
  takeStdin(): { readonly chunks: readonly Buffer[]; readonly ended: boolean };
  /** An event was read, before any stage. */
  reached(event: LogEvent): void;
  /** Shows an event of a group; false: it is outside of what was asked for, and not to be shipped either. */
  show(event: LogEvent, group: number): boolean;
  /** Resolves when the screen has room again. */
  ready(): Promise<void> | undefined;
}

/**
 * The components of the agent that `tail` runs: those there are, with a file source that begins where it is told, a
 * standard input that was read a little already, a stage that shows events and a sink for those that are only shown.
 */
export function tailComponents(hooks: TailHooks): ComponentLists {
  const show = defineStage({
    type: "show",
    summary: "Shows events",
    stability: "stable",
    schema: t.object({ group: t.integer({ description: "Which inputs they are from." }) }),
    examples: [],
    create: ({ group }) => ({ apply: (event) => (hooks.show(event, group) ? undefined : DROP) }),
  });
  const reached = defineStage({
    type: "reached",
    summary: "Notes how far files were read",
    stability: "stable",
    schema: t.object({}),
    examples: [],
    create: () => ({ apply: (event) => void hooks.reached(event) }),
  });
  const shown = defineSink({
    type: "shown",
    summary: "Takes what is only shown",
    stability: "stable",
    schema: t.object({}),
    examples: [],
    create: () => ({
      encoding: { kind: "text" },
      limits: { maxBytes: 1 << 20, maxEvents: 10_000, maxAgeMs: 10, concurrency: 1 },
      write: async () => {
        await hooks.ready();
        return DELIVERED;
      },
      close: () => Promise.resolve(),
    }),
  });
  return {
    sources: components.sources.map((source) =>
      source.type === "file" ? beginsWhereTold(source, hooks) : source.type === "stdin" ? afterLook(hooks) : source,
    ),
    stages: [...components.stages, reached, show],
    sinks: [...components.sinks, shown],
  };
}

function beginsWhereTold(file: AnySource, hooks: TailHooks): AnySource {
  return {
    ...file,
    create: async (options, context) => {
      const source = await file.create(options, context);
      return {
        inputs: () => source.inputs(),
        run: (output, signal) =>
          source.run(
            {
              ...output,
              open: (partition) => {
                const path = parseIdentity(partition.identity)?.path;
                const start = path === undefined ? undefined : hooks.startOf(path);
                return output.open(start === undefined ? partition : { ...partition, startPosition: start });
              },
            },
            signal,
          ),
      };
    },
  };
}

function afterLook(hooks: TailHooks): AnySource {
  return defineSource({
    type: "stdin",
    summary: "Standard input, of which the beginning was read already",
    stability: "stable",
    schema: t.object({}),
    rereadable: false,
    examples: [],
    create: (_options, context) => new StdinTail(context, process.stdin, hooks.takeStdin()),
  });
}
