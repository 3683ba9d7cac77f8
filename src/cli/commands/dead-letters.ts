import { createInterface } from "node:readline/promises";
import { join } from "node:path";
import { Command } from "commander";
import { WiretailError } from "../../core/error.ts";
import type { DeadLetter } from "../../disk/dead-letters/letter.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { addToSummary, emptySummary, letterLine, letterLines, summaryLines } from "../dead-letters-view.ts";
import { stateDirOf } from "../load-host.ts";
import { compileQuery, withStateOptions, type LetterOptions } from "../letter-options.ts";
import { giveToOwner } from "../ownership.ts";
import { formatCount, quietWriter, terminalOf } from "../terminal.ts";
import { replayCommand } from "./dead-letters-replay.ts";

/** `wiretail dead-letters`: what a sink or a stage refused, and how to send it after all. */
export function deadLettersCommand(): Command {
  return new Command("dead-letters")
    .summary("list, show, replay and purge events that a sink or a stage refused")
    .description(
      "Works on the dead letters in the state directory, whether the agent runs or not. Queries are KQL: fields of the event " +
        "as everywhere, and of the letter as name, pipeline, sink, stage, reason, id, at, or dead_letter.source and the like.",
    )
    .addHelpText(
      "after",
      `
Examples:
  wiretail dead-letters list -c config/host.json
  wiretail dead-letters show -c config/host.json 'sink: es and reason: *mapper_parsing*'
  wiretail dead-letters replay -c config/host.json 'pipeline: web'          what would happen?
  wiretail dead-letters replay -c config/host.json 'pipeline: web' --yes    do it
  wiretail dead-letters purge -c config/host.json 'reason: *too large*'

Exit codes: 0 fine; 1 something stays among the dead letters; 2 wrong use, or a query that does not parse;
3 an agent is needed and does not answer; 4 not allowed`,
    )
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(replayCommand())
    .addCommand(purgeCommand());
}

function listCommand(): Command {
  return withStateOptions(new Command("list"))
    .summary("how many there are, by pipeline, sink or stage, and reason")
    .description("Counts dead letters by where they were refused and why.")
    .argument("[kql...]", "which ones; all without it")
    .option("--each", "print every letter on a line (with --json: the letters themselves, one a line)")
    .addHelpText(
      "after",
      `
Examples:
  wiretail dead-letters list -c config/host.json
  wiretail dead-letters list -c config/host.json 'sink: es' --each
  wiretail dead-letters list -c config/host.json --json | jq .by_reason

Exit codes: 0 fine, also when there are none; 2 a query that does not parse; 4 not allowed to read the state directory`,
    )
    .action(async (words: string[], options: LetterOptions & { each?: boolean }) => {
      const isSelected = await compileQuery(words.join(" "));
      const terminal = terminalOf(process.stdout, process.env);
      const write = quietWriter(process.stdout);
      const summary = emptySummary();
      for await (const letter of lettersOf(await stateDirOf(options))) {
        if (!isSelected(letter)) continue;
        addToSummary(summary, letter);
        if (options.each !== true) continue;
        const line = options.json === true ? JSON.stringify(letter) : letterLine(letter, terminal);
        if (!(await write(line + "\n"))) return;
      }
      if (options.each === true) {
        if (options.json !== true) process.stderr.write(`${formatCount(summary.letters)} dead letters\n`);
      } else if (options.json === true) await write(JSON.stringify(summary) + "\n");
      else await write(summaryLines(summary, terminal).join("\n") + "\n");
    });
}

function showCommand(): Command {
  return withStateOptions(new Command("show"))
    .summary("everything about a letter: reason, original line, event")
    .description(
      "Shows the newest letter of a name (from list --each) or a query, with its reason, original and event.",
    )
    .argument("<name-or-kql...>", "a letter's name, or a query")
    .addHelpText(
      "after",
      `
Examples:
  wiretail dead-letters show -c config/host.json 3sX_1qYp0aBc
  wiretail dead-letters show -c config/host.json 'sink: es' --json | jq .event

Exit codes: 0 fine; 1 none matches; 2 a query that does not parse`,
    )
    .action(async (words: string[], options: LetterOptions) => {
      const isSelected = await compileQuery(nameOrQuery(words.join(" ")));
      let found: DeadLetter | undefined;
      let matching = 0;
      for await (const letter of lettersOf(await stateDirOf(options))) {
        if (!isSelected(letter)) continue;
        matching++;
        found = letter;
      }
      if (found === undefined) {
        process.stderr.write("no dead letter matches\n");
        process.exitCode = EXIT_CODES.bad;
        return;
      }
      const terminal = terminalOf(process.stdout, process.env);
      process.stdout.write(
        options.json === true ? JSON.stringify(found) + "\n" : letterLines(found, terminal).join("\n") + "\n",
      );
      if (matching > 1) process.stderr.write(`the newest of ${formatCount(matching)} that match\n`);
    });
}

function purgeCommand(): Command {
  return withStateOptions(new Command("purge"))
    .summary("remove letters for good")
    .description("Removes the dead letters that a query selects, after asking. They are gone then.")
    .argument("[kql...]", "which ones")
    .option("--all", "all of them, without a query")
    .option("--yes", "do not ask")
    .addHelpText(
      "after",
      `
Examples:
  wiretail dead-letters purge -c config/host.json 'reason: *too large*'
  wiretail dead-letters purge -c config/host.json --all --yes

Exit codes: 0 removed, or nothing to remove; 1 not confirmed; 2 wrong use; 4 not allowed`,
    )
    .action(async (words: string[], options: LetterOptions & { all?: boolean; yes?: boolean }) => {
      process.exitCode = await purgeLetters(words.join(" "), options);
    });
}

async function purgeLetters(query: string, options: LetterOptions & { all?: boolean; yes?: boolean }): Promise<number> {
  if (query.trim() === "" && options.all !== true)
    throw new WiretailError("WT_USAGE", "which dead letters?", { hint: "give a query, or --all" });
  if (query.trim() !== "" && options.all === true) throw new WiretailError("WT_USAGE", "--all goes without a query");
  const isSelected = await compileQuery(query);
  const stateDir = await stateDirOf(options);
  const summary = emptySummary();
  for await (const letter of lettersOf(stateDir)) if (isSelected(letter)) addToSummary(summary, letter);
  const errors = terminalOf(process.stderr, process.env);
  if (summary.letters > 0 && options.yes !== true) {
    process.stderr.write(summaryLines(summary, errors).join("\n") + "\n");
    if (!(await confirmed(`remove ${formatCount(summary.letters)} dead letters for good?`))) return EXIT_CODES.bad;
  }
  const removed = summary.letters === 0 ? 0 : await purgeThem(stateDir, query);
  if (options.json === true) process.stdout.write(JSON.stringify({ removed }) + "\n");
  else process.stdout.write(`${formatCount(removed)} dead letters were removed\n`);
  return EXIT_CODES.ok;
}

/** By the running agent, or, where none runs, under the lock of the state directory. */
async function purgeThem(stateDir: string, query: string): Promise<number> {
  const [{ askAgent }, { DEAD_LETTER_PATHS, purge }] = await Promise.all([
    import("../../runtime/control.ts"),
    import("../../runtime/replay/commands.ts"),
  ]);
  try {
    const text = await askAgent(stateDir, DEAD_LETTER_PATHS.purge, { body: { query }, timeoutMs: 120_000 });
    return (JSON.parse(text) as { removed: number }).removed;
  } catch (error) {
    if (!(error instanceof WiretailError) || error.code !== "WT_NO_AGENT") throw error;
  }
  const [{ lockStateDir }, { DeadLetterStore }] = await Promise.all([
    import("../../runtime/state-lock.ts"),
    import("../../disk/dead-letters/store.ts"),
  ]);
  const lock = await lockStateDir(stateDir);
  const store = new DeadLetterStore({
    ...{ folder: join(stateDir, "dead-letters"), maxBytes: Infinity, maxAgeMs: undefined, whenFull: "block" },
    ...{ now: Date.now, onDropped: () => undefined },
  });
  try {
    return (await purge(store, query)).removed;
  } finally {
    await store.close();
    await giveToOwner(stateDir, ["dead-letters", "lock"]);
    await lock.close();
  }
}

/** Asks on a terminal. Elsewhere `--yes` has to be said. */
export async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new WiretailError("WT_USAGE", `${question} This is no terminal to ask on`, { hint: "say --yes" });
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}

/** A letter's name is a query, too. */
function nameOrQuery(text: string): string {
  return /^[\w-]{12}$/.test(text) ? `dead_letter.name: "${text}"` : text;
}

async function* lettersOf(stateDir: string): AsyncGenerator<DeadLetter> {
  const { readLetters } = await import("../../disk/dead-letters/segments.ts");
  try {
    yield* readLetters(join(stateDir, "dead-letters"));
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code !== "EACCES") throw error;
    throw new WiretailError("WT_STATE_UNWRITABLE", `not allowed to read the dead letters in ${stateDir}`, {
      cause: error,
      hint: "run this as the agent's user or as root",
    });
  }
}
