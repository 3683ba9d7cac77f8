import { Command } from "commander";
import { DESTINATION_FORMS } from "../tail/destination.ts";

export interface InitCommandOptions {
  output?: string;
  to?: string;
  yes?: boolean;
  force?: boolean;
}

/** `wiretail init`: a host file from what is on this host. */
export function initCommand(): Command {
  return new Command("init")
    .summary("look at this host and write a host file for it")
    .description(
      "Finds log files (in /var/log, of containers, and those that running programs have open), recognises their formats, " +
        "and writes a host file with comments that check accepts. It asks where to ship to, and nothing off a terminal. " +
        "Nothing else on the host is changed.",
    )
    .option(
      "-o, --output <file>",
      "where to write it; - is standard output (default: /etc/wiretail/host.json for root, wiretail.json for others)",
    )
    .option("--to <url>", `also ship to ${DESTINATION_FORMS}`)
    .option("-y, --yes", "ask nothing")
    .option("--force", "replace a file that is there")
    .addHelpText(
      "after",
      `
Examples:
  wiretail init                        look, ask, write
  wiretail init --output -             only show it
  sudo wiretail init --yes --to https://es.example.com:9200

Exit codes: 0 written, or shown; 1 it cannot be written; 2 wrong use, or the file is there already`,
    )
    .action(async (options: InitCommandOptions) => {
      const { runInit } = await import("../init/run-init.ts");
      process.exitCode = await runInit(options);
    });
}
