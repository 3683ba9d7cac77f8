import type { Command } from "commander";
import { shippedPipelines } from "../../runtime/config/pipeline-file.ts";
import type { Shell } from "../commands/completion.ts";
import { bashCompletion } from "./bash.ts";
import { shapeOf } from "./command-tree.ts";
import { fishCompletion } from "./fish.ts";
import { zshCompletion } from "./zsh.ts";

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** The completion script of a program for a shell. */
export function completionScript(program: Command, shell: Shell): string {
  return SCRIPTS[shell](shapeOf(program), shippedPipelines());
}
