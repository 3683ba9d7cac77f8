import { WiretailError } from "../core/error.ts";
import { nearestName } from "../runtime/config/nearest.ts";

/** What other programs call it, by our name. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  tail: ["follow", "logs", "view", "cat", "less", "watch", "show"],
  init: ["setup", "configure", "config", "new", "create"],
  run: ["start", "serve", "agent", "daemon", "ship"],
  search: ["query", "grep", "find", "kql"],
  status: ["stats", "ps", "health", "info", "stat"],
  "dead-letters": ["dlq", "deadletters", "dead-letter", "letters", "failed"],
  state: ["checkpoints", "checkpoint", "positions", "registry"],
  check: ["validate", "lint", "verify", "diff"],
  try: ["playground", "debug", "simulate", "parse"],
  top: ["monitor", "htop"],
  tap: ["sniff", "listen"],
};

/**
 * The error for a command that there is not, with the one that was meant: a near name, what other programs call it, or
 * `tail` for a file. `parent` is the command it was said to, as it is typed.
 */
export function unknownCommand(
  parent: string,
  name: string,
  known: readonly string[],
  isFile: (path: string) => boolean,
): WiretailError {
  const meant = (command: string): boolean => known.includes(command);
  const synonym = Object.keys(SYNONYMS).find((ours) => meant(ours) && SYNONYMS[ours]!.includes(name.toLowerCase()));
  const nearest = synonym ?? nearestName(name, known);
  const hint =
    nearest !== undefined
      ? `did you mean: ${parent} ${nearest}?`
      : meant("tail") && isFile(name)
        ? name.endsWith(".json")
          ? `a host file? ${parent} run -c ${name}`
          : `to look at the file: ${parent} tail ${name}`
        : `commands: ${known.join(", ")}; ${parent} --help says what they do`;
  return new WiretailError("WT_USAGE", `there is no command "${parent} ${name}"`, { hint });
}
