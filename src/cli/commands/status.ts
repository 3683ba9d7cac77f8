import { styleText } from "node:util";
import { Command } from "commander";
import type { AgentStatus } from "../../runtime/status.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { stateDirOf } from "../load-host.ts";

interface StatusOptions {
  config?: string;
  stateDir?: string;
  json?: boolean;
  all?: boolean;
}

/** `wiretail status`: what a running agent reads, holds and delivers. */
export function statusCommand(): Command {
  return new Command("status")
    .summary("show what the running agent reads, holds and delivers")
    .description(
      "Asks the running agent over its control socket: lag of every file, what stages did, and what every sink has.",
    )
    .option("-c, --config <file>", "the host's configuration file, for its state_dir")
    .option("--state-dir <folder>", "the agent's state directory (default: /var/lib/wiretail)")
    .option("--json", "print everything as one JSON object")
    .option("--all", "show every input, not only the ten with most lag")
    .addHelpText(
      "after",
      `
Examples:
  wiretail status -c config/host.json
  wiretail status --json | jq '.sinks[] | {name, state, queued_events}'

Exit codes: 0 healthy; 1 something fails; 3 no agent runs; 4 not allowed to ask it`,
    )
    .action(async (options: StatusOptions) => {
      process.exitCode = await showStatus(options);
    });
}

async function showStatus(options: StatusOptions): Promise<number> {
  const [{ askAgent }, { statusLines }] = await Promise.all([
    import("../../runtime/control.ts"),
    import("../status-view.ts"),
  ]);
  const text = await askAgent(await stateDirOf(options), "/status");
  const status = JSON.parse(text) as AgentStatus;
  if (options.json === true) process.stdout.write(text);
  else {
    const lines = statusLines(status, {
      paint: (style, part) => styleText(style, part, { stream: process.stdout, validateStream: true }),
      width: process.stdout.columns,
      maxInputs: options.all === true ? Infinity : 10,
    });
    process.stdout.write(lines.join("\n") + "\n");
  }
  return status.healthy ? EXIT_CODES.ok : EXIT_CODES.bad;
}
