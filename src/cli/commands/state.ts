import { join } from "node:path";
import { Command } from "commander";
import { WiretailError } from "../../core/error.ts";
import type { CheckpointData } from "../../disk/checkpoint-file.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { withStateOptions, type LetterOptions } from "../letter-options.ts";
import { loadHost, stateDirOf } from "../load-host.ts";
import type { PartitionState, Selection } from "../state-edit.ts";
import { giveToOwner } from "../ownership.ts";
import { alignColumns, formatBytes, formatCount, terminalOf, paint, visible } from "../terminal.ts";
import { confirmed } from "./dead-letters.ts";

interface StateOptions extends LetterOptions {
  readonly source?: string;
  readonly pipeline?: string;
  readonly sink?: string;
  readonly yes?: boolean;
}

/** `wiretail state`: the checkpoints, to look at and to change by hand. */
export function stateCommand(): Command {
  return new Command("state")
    .summary("show, set and forget checkpoints")
    .description(
      "Checkpoints say for every file, and every pipeline and sink, up to where everything is delivered. show works at any time; " +
        "set and forget take the lock of the state directory, so the agent has to be stopped.",
    )
    .addHelpText(
      "after",
      `
Examples:
  wiretail state show -c config/host.json
  wiretail state set -c config/host.json /var/log/app.log 104857 --sink es
  wiretail state forget -c config/host.json /var/log/old.log --yes

Exit codes: 0 fine; 1 nothing matches, not confirmed, or the agent runs; 2 wrong use; 4 not allowed`,
    )
    .addCommand(showCommand())
    .addCommand(setCommand())
    .addCommand(forgetCommand());
}

function withSelection(command: Command): Command {
  return withStateOptions(command)
    .option("--pipeline <name>", "only this pipeline")
    .option("--sink <name>", "only this sink: its name (with --config), or its identity as show prints it");
}

function showCommand(): Command {
  return withSelection(new Command("show"))
    .summary("where every file and sink is")
    .description(
      "Prints position, size and lag of every file, for each pipeline and sink. With --config, sinks have names.",
    )
    .argument("[file]", "a file's path, or a partition's id")
    .option("--source <name>", "only this source")
    .addHelpText(
      "after",
      `
Examples:
  wiretail state show -c config/host.json
  wiretail state show -c config/host.json --json | jq '.partitions[] | select(.size_bytes == null)'

Exit codes: 0 fine; 1 nothing matches`,
    )
    .action(async (what: string | undefined, options: StateOptions) => {
      const { states } = await readState(options);
      const { selectPartitions, selectRoutes } = await import("../state-edit.ts");
      const selection = { ...options, what };
      const found = selectPartitions(states, selection).map((state) => ({
        ...state,
        routes: selectRoutes(state, selection),
      }));
      if (options.json === true) process.stdout.write(JSON.stringify({ partitions: found }) + "\n");
      else process.stdout.write(stateLines(found).join("\n") + "\n");
      if (found.length === 0 && what !== undefined) process.exitCode = EXIT_CODES.bad;
    });
}

function setCommand(): Command {
  return withSelection(new Command("set"))
    .summary("go on elsewhere in a file")
    .description(
      "Sets where reading of a file goes on: at a byte that begins a line, at its beginning, or behind its last whole line. " +
        "Backwards, events are sent once more, with the ids that they had: Elasticsearch knows them again, CloudWatch does not, " +
        "and sinks that keep their position with their data (file, local) leave out what they have. Forwards, events are skipped.",
    )
    .argument("<file>", "the file's path, or the partition's id")
    .argument("<position>", "a byte, beginning, or end")
    .option("--yes", "do not ask when events would be skipped")
    .addHelpText(
      "after",
      `
Examples:
  wiretail state set -c config/host.json /var/log/app.log beginning --sink es
  wiretail state set -c config/host.json /var/log/app.log end --yes

Exit codes: 0 set; 1 nothing matches, not confirmed, or the agent runs; 2 the position is not the beginning of a line in the file`,
    )
    .action(async (what: string, position: string, options: StateOptions) => {
      process.exitCode = await setState({ ...options, what }, position, options);
    });
}

function forgetCommand(): Command {
  return withSelection(new Command("forget"))
    .summary("know nothing of a file, source or sink any more")
    .description(
      "Removes checkpoints. A file of which nothing is known is a new one: it is read from where start_at says, with new ids. " +
        "With --pipeline or --sink only those routes are removed: they begin where start_at says.",
    )
    .argument("[file]", "the file's path, or the partition's id")
    .option("--source <name>", "everything of this source")
    .option("--yes", "do not ask")
    .addHelpText(
      "after",
      `
Examples:
  wiretail state forget -c config/host.json /var/log/old.log
  wiretail state forget -c config/host.json --sink old-es --yes

Exit codes: 0 forgotten; 1 nothing matches, not confirmed, or the agent runs; 2 wrong use`,
    )
    .action(async (what: string | undefined, options: StateOptions) => {
      process.exitCode = await forget({ ...options, what }, options);
    });
}

async function setState(selection: Selection, position: string, options: StateOptions): Promise<number> {
  const { placeIn, selectPartitions, selectRoutes, setPosition } = await import("../state-edit.ts");
  return change(options, async ({ data, states }) => {
    const found = selectPartitions(states, selection);
    if (found.length > 1) {
      throw new WiretailError("WT_USAGE", `${selection.what} means ${found.length} partitions`, {
        hint: `say which by its id: ${found.map(({ id }) => id).join(", ")}`,
      });
    }
    const [state] = found;
    const routes = state === undefined ? [] : selectRoutes(state, selection);
    if (state === undefined || routes.length === 0) return nothing();
    const partition = data.partitions[state.id]!;
    const place = await placeIn(partition, position);
    const skipped = Math.max(...routes.map((route) => place.position - route.position));
    const question = `${formatBytes(Math.max(0, skipped))} that were not delivered are skipped. Go on?`;
    if (skipped > 0 && options.yes !== true && !(await confirmed(question))) return undefined;
    setPosition(partition, routes, place);
    return { changed: routes.length, text: `${state.path}: ${routes.length} routes go on at byte ${place.position}` };
  });
}

async function forget(selection: Selection, options: StateOptions): Promise<number> {
  const { what, source, pipeline, sink } = selection;
  if ([what, source, pipeline, sink].every((each) => each === undefined))
    throw new WiretailError("WT_USAGE", "forget what?", { hint: "name a file, --source, --pipeline or --sink" });
  const { selectPartitions, selectRoutes } = await import("../state-edit.ts");
  return change(options, async ({ data, states }) => {
    const isWhole = pipeline === undefined && sink === undefined;
    let files = 0;
    let routes = 0;
    for (const state of selectPartitions(states, selection)) {
      const chosen = selectRoutes(state, selection);
      if (!isWhole && chosen.length === 0) continue;
      files++;
      routes += chosen.length;
      if (isWhole) delete data.partitions[state.id];
      else for (const { route } of chosen) delete data.partitions[state.id]!.routes[route];
    }
    if (files === 0) return nothing();
    const of = isWhole ? `${formatCount(files)} files` : `${formatCount(routes)} routes of ${formatCount(files)} files`;
    const question = `forget ${of}? They are read anew from where start_at says${isWhole ? ", with new ids" : ""}.`;
    if (options.yes !== true && !(await confirmed(question))) return undefined;
    return { changed: isWhole ? files : routes, text: `forgot ${of}` };
  });
}

interface LoadedState {
  readonly data: CheckpointData;
  readonly states: readonly PartitionState[];
}

function nothing(): { changed: number; text: string } {
  return { changed: 0, text: "nothing in the checkpoints matches" };
}

/** Changes the checkpoint under the lock of the state directory; `edit` gives undefined to leave it as it is. */
async function change(
  options: StateOptions,
  edit: (state: LoadedState) => Promise<{ changed: number; text: string } | undefined>,
): Promise<number> {
  const stateDir = await stateDirOf(options);
  const [{ lockStateDir, makeStateDir }, { writeCheckpoint }] = await Promise.all([
    import("../../runtime/state-lock.ts"),
    import("../../disk/checkpoint-file.ts"),
  ]);
  await makeStateDir(stateDir);
  const lock = await lockStateDir(stateDir).catch((error: unknown) => {
    if (!(error instanceof WiretailError) || error.code !== "WT_STATE_LOCKED") throw error;
    throw new WiretailError("WT_STATE_LOCKED", `${error.message}: its checkpoints cannot be changed`, {
      hint: "stop it first, e.g. systemctl stop wiretail",
    });
  });
  try {
    const state = await readState(options);
    const done = await edit(state);
    if (done === undefined) return EXIT_CODES.bad;
    if (done.changed > 0) {
      await writeCheckpoint(join(stateDir, "checkpoints.json"), state.data);
      await giveToOwner(stateDir, ["checkpoints.json", "lock"]);
    }
    process.stdout.write(options.json === true ? JSON.stringify(done) + "\n" : `${done.text}\n`);
    return done.changed > 0 ? EXIT_CODES.ok : EXIT_CODES.bad;
  } finally {
    await lock.close();
  }
}

async function readState(options: StateOptions): Promise<LoadedState> {
  const [{ readCheckpoint }, { describeState }] = await Promise.all([
    import("../../disk/checkpoint-file.ts"),
    import("../state-edit.ts"),
  ]);
  const path = join(await stateDirOf(options), "checkpoints.json");
  const { data, damage } = await readCheckpoint(path, { keepDamaged: true });
  if (damage !== undefined) throw new WiretailError("WT_STATE_CORRUPT", damage);
  const sinks = new Map<string, string>();
  if (options.config !== undefined)
    for (const { identity, name } of (await loadHost(options.config)).sinks) sinks.set(identity, name);
  return { data, states: await describeState(data, sinks) };
}

function stateLines(states: readonly PartitionState[]): string[] {
  if (states.length === 0) return ["no checkpoints"];
  const terminal = terminalOf(process.stdout, process.env);
  const lines: string[] = [];
  for (const { id, source, path, size_bytes: size, routes } of states) {
    const where = path === null ? "" : ` ${visible(path)}`;
    lines.push(`${paint(terminal, "bold", visible(source) + where)}  ${id}  ${sizeText(path, size)}`);
    const rows = routes.map((route) => [
      `  ${visible(route.pipeline)} → ${visible(route.sink ?? route.sink_identity)}`,
      `at ${route.position}`,
      route.lag_bytes === null ? "" : route.lag_bytes === 0 ? "no lag" : `lag ${formatBytes(route.lag_bytes)}`,
    ]);
    lines.push(...alignColumns(rows));
  }
  return lines;
}

function sizeText(path: string | null, size: number | null): string {
  return path === null ? "" : size === null ? "the file is not there" : `${size} bytes`;
}
