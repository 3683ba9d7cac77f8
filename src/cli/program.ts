import { Command } from "commander";
import { checkCommand } from "./commands/check.ts";
import { deadLettersCommand } from "./commands/dead-letters.ts";
import { decodeCommand } from "./commands/decode.ts";
import { runCommand } from "./commands/run.ts";
import { searchCommand } from "./commands/search.ts";
import { stateCommand } from "./commands/state.ts";
import { statusCommand } from "./commands/status.ts";
import { tapCommand } from "./commands/tap.ts";
import { testCommand } from "./commands/test.ts";
import { topCommand } from "./commands/top.ts";
import { tryCommand } from "./commands/try.ts";
import { packageVersion } from "./version.ts";

/** The whole command line: what runs, what `--help` says, and what docs/reference/cli.md is made from. */
export function buildProgram(): Command {
  const program = new Command("wiretail")
    .description(
      "Ships logs: tails files, normalises lines through pipelines, delivers them to any number of sinks, and loses none.",
    )
    .version(packageVersion(), "-V, --version")
    .option("--debug", "show where an error came from")
    .showSuggestionAfterError(true)
    .helpCommand(true)
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  wiretail check config/host.json        is this configuration right?
  wiretail run -c config/host.json       run the agent
  wiretail status -c config/host.json    what is it doing?

Documentation: the docs folder of the package; report defects in the project's issue tracker.`,
    );
  for (const command of [
    ...[
      runCommand(),
      searchCommand(),
      statusCommand(),
      tapCommand(),
      topCommand(),
      deadLettersCommand(),
      stateCommand(),
    ],
    ...[checkCommand(), testCommand(), tryCommand(), decodeCommand()],
  ]) {
    for (const each of [command, ...command.commands]) each.exitOverride().showSuggestionAfterError(true);
    program.addCommand(command);
  }
  return program;
}
