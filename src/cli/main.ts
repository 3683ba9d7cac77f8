import { CommanderError } from "commander";
import { styleText } from "node:util";
import { errorMessage, systemErrorCode, WiretailError } from "../core/error.ts";
import { protectAgainstBacktracking } from "../codec/pattern.ts";
import { EXIT_CODES, exitCodeOf } from "./exit-code.ts";
import { buildProgram } from "./program.ts";
import { stackOf } from "./stack-trace.ts";

// Before any regular expression is compiled.
if (!protectAgainstBacktracking()) {
  process.stderr.write(
    "warning: this version of Node does not limit backtracking: a bad pattern may hold the agent up for long\n",
  );
}

// `wiretail search … | head` ends when head does: a closed pipe is no error.
process.stdout.on("error", (error) => {
  if (systemErrorCode(error) === "EPIPE") process.exit(EXIT_CODES.ok);
  throw error;
});
process.stderr.on("error", (error) => {
  if (systemErrorCode(error) !== "EPIPE") throw error;
});

const LEFT_OPEN_MS = 5_000;

/** Resolves when the command has ended; the exit code is set by then. The launcher waits for it. */
export const ended = main();

async function main(): Promise<void> {
  try {
    const program = buildProgram();
    if (process.argv.length <= 2) program.outputHelp();
    else await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error, process.argv.includes("--debug"));
    // What a failed start left open must not keep a process for which nobody would start another.
    setTimeout(() => process.exit(), LEFT_OPEN_MS).unref();
  }
}

/** Prints what went wrong and what to do, and returns the exit code. */
function report(error: unknown, withStack: boolean): number {
  // Commander has printed its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage;
  const paint = (style: "red" | "cyan", text: string): string =>
    styleText(style, text, { stream: process.stderr, validateStream: true });
  const code = error instanceof WiretailError ? ` [${error.code}]` : "";
  process.stderr.write(`${paint("red", "error:")} ${errorMessage(error)}${code}\n`);
  if (error instanceof WiretailError && error.hint !== undefined)
    process.stderr.write(`${paint("cyan", "hint:")} ${error.hint}\n`);
  if (withStack || !(error instanceof WiretailError))
    process.stderr.write(`${error instanceof Error ? stackOf(error) : ""}\n`);
  return exitCodeOf(error);
}
