import type { Command } from "commander";
import { KqlSyntaxError, pointAtFault } from "../codec/kql/error.ts";
import type { DeadLetter } from "../disk/dead-letters/letter.ts";
import { visible } from "./terminal.ts";

export interface LetterOptions {
  readonly config?: string;
  readonly stateDir?: string;
  readonly json?: boolean;
}

/** Options that all sub-commands take. */
export function withStateOptions(command: Command): Command {
  return command
    .option("-c, --config <file>", "the host's configuration file")
    .option("--state-dir <folder>", "the agent's state directory, instead of --config (default: /var/lib/wiretail)")
    .option("--json", "print JSON");
}

/** Compiles a query, pointing at the fault in one that does not parse. */
export async function compileQuery(query: string): Promise<(letter: DeadLetter) => boolean> {
  const { compileLetterQuery } = await import("../disk/dead-letters/query.ts");
  try {
    return compileLetterQuery(query);
  } catch (error) {
    if (error instanceof KqlSyntaxError) process.stderr.write(`${visible(pointAtFault(query, error))}\n`);
    throw error;
  }
}
