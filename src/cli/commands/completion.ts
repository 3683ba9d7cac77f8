import { Argument, Command } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** `wiretail completion`: a script that makes a shell complete commands, options and files. */
export function completionCommand(): Command {
  const command = new Command("completion");
  return command
    .summary("print a completion script for bash, zsh or fish")
    .description("Prints a script that lets a shell complete commands, options, files and names of pipelines.")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .addHelpText(
      "after",
      `
Examples:
  source <(wiretail completion bash)                                        for this shell
  wiretail completion bash > ~/.local/share/bash-completion/completions/wiretail
  wiretail completion zsh > "\${fpath[1]}/_wiretail"
  wiretail completion fish > ~/.config/fish/completions/wiretail.fish

Exit codes: 0 printed, 2 wrong use`,
    )
    .action(async (shell: Shell) => {
      const { completionScript } = await import("../completion/script.ts");
      process.stdout.write(completionScript(command.parent ?? command, shell));
    });
}
