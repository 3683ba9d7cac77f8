import { Command } from "commander";

/** `wiretail interfaces`: where packets can be captured. */
export function interfacesCommand(): Command {
  return new Command("interfaces")
    .summary("list network interfaces, and whether you may capture on them")
    .description(
      "Lists the network interfaces of this host with state, kind, link type and addresses. For a moment a capture is begun on each (not promiscuous) to find out whether you may, and what to do where you may not.",
    )
    .option("--json", "print everything as one JSON array")
    .option("--no-color", "no colours")
    .addHelpText(
      "after",
      `
Examples:
  wiretail interfaces
  wiretail interfaces --json | jq '.[] | select(.capture.ok) | .name'

Exit codes: 0 fine, also where nothing can be captured; 2 wrong use`,
    )
    .action(async (options: { json?: boolean; color: boolean }) => {
      const { runInterfaces } = await import("../interfaces/run-interfaces.ts");
      process.exitCode = await runInterfaces(options);
    });
}
