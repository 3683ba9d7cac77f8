import { WiretailError } from "../core/error.ts";

/** One table for all commands; docs/reference/cli.md shows it. */
export const EXIT_CODES = {
  ok: 0,
  /** It ran, and the answer is bad: check found errors, a test failed, status is unhealthy, events were lost. */
  bad: 1,
  /** Wrong use, or a query that does not parse. */
  usage: 2,
  /** No agent to talk to. */
  noAgent: 3,
  /** Permission or credentials. */
  permission: 4,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof WiretailError)) return EXIT_CODES.bad;
  switch (error.code) {
    case "WT_USAGE":
    case "WT_KQL_SYNTAX":
    case "WT_FORMAT_INVALID":
      return EXIT_CODES.usage;
    case "WT_NO_AGENT":
      return EXIT_CODES.noAgent;
    case "WT_STATE_UNWRITABLE":
    case "WT_SINK_CREDENTIALS":
      return EXIT_CODES.permission;
    default:
      return EXIT_CODES.bad;
  }
}
