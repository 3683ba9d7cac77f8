import { existsSync } from "node:fs";
import { Command } from "commander";
import { captureCommand } from "./commands/capture.ts";
import { checkCommand } from "./commands/check.ts";
import { completionCommand } from "./commands/completion.ts";
import { deadLettersCommand } from "./commands/dead-letters.ts";
import { decodeCommand } from "./commands/decode.ts";
import { estimateCommand } from "./commands/estimate.ts";
import { initCommand } from "./commands/init.ts";
import { interfacesCommand } from "./commands/interfaces.ts";
import { runCommand } from "./commands/run.ts";
import { searchCommand } from "./commands/search.ts";
import { stateCommand } from "./commands/state.ts";
import { statusCommand } from "./commands/status.ts";
import { tapCommand } from "./commands/tap.ts";
import { tailCommand } from "./commands/tail.ts";
import { testCommand } from "./commands/test.ts";
import { topCommand } from "./commands/top.ts";
import { tryCommand } from "./commands/try.ts";
import { unknownCommand } from "./unknown-command.ts";
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
  wiretail tail /var/log/syslog          look at logs, with no configuration
  wiretail check config/host.json        is this configuration right?
  wiretail run -c config/host.json       run the agent
  wiretail status -c config/host.json    what is it doing?

Documentation: the docs folder of the package; report defects in the project's issue tracker.`,
    );
  for (const command of [
    ...[
      tailCommand(),
      initCommand(),
      runCommand(),
      searchCommand(),
      statusCommand(),
      tapCommand(),
      topCommand(),
      deadLettersCommand(),
      stateCommand(),
    ],
    ...[
      checkCommand(),
      testCommand(),
      tryCommand(),
      decodeCommand(),
      interfacesCommand(),
      estimateCommand(),
      captureCommand(),
      completionCommand(),
    ],
  ]) {
    for (const each of [command, ...command.commands]) {
      const name = each === command ? command.name() : `${command.name()} ${each.name()}`;
      each.exitOverride().showSuggestionAfterError(true).showHelpAfterError(`hint: wiretail ${name} --help`);
    }
    if (command.commands.length > 0) suggestCommands(command, `wiretail ${command.name()}`);
    program.addCommand(command);
  }
  suggestCommands(program.showHelpAfterError("hint: wiretail --help"), "wiretail");
  return program;
}

/** Says which command was meant, where there is none of a name. */
function suggestCommands(command: Command, typed: string): void {
  const known = command.commands.map((each) => each.name());
  command.on("command:*", ([name = ""]: readonly string[]) => {
    throw unknownCommand(typed, name, known, existsSync);
  });
}
