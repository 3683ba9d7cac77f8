import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline/promises";
import { errorMessage, systemErrorCode, WiretailError } from "../../core/error.ts";
import { loadConfig } from "../../runtime/config/load.ts";
import { realWorld } from "../../runtime/config/pipeline-file.ts";
import { formatProblem } from "../../runtime/config/problems.ts";
import { DEFAULT_STATE_DIR } from "../../runtime/config/state-dir.ts";
import { packageRoot } from "../../runtime/package-root.ts";
import { shippedFormats } from "../../runtime/recognition/formats.ts";
import type { InitCommandOptions } from "../commands/init.ts";
import { components } from "../components.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { DESTINATION_FORMS, parseDestination, type Destination } from "../tail/destination.ts";
import { alignColumns, paint, terminalOf, visible, type Terminal } from "../terminal.ts";
import { packageVersion } from "../version.ts";
import { discover, LOG_FOLDERS, type Discovery } from "./discover.ts";
import { hostText } from "./host-text.ts";

/** `wiretail init`: resolves with the exit code. */
export async function runInit(options: InitCommandOptions): Promise<number> {
  const isRoot = process.getuid?.() === 0;
  const output = options.output ?? (isRoot ? "/etc/wiretail/host.json" : "wiretail.json");
  // Before anything is asked.
  if (output !== "-" && options.force !== true && existsSync(output))
    throw new WiretailError("WT_USAGE", `${output} is there already`, {
      hint: `wiretail init --output OTHER, or --force to replace it`,
    });
  let destination = options.to === undefined ? undefined : safeDestination(options.to);
  const terminal = terminalOf(process.stderr, process.env);
  const say = (line = ""): void => void process.stderr.write(`${line}\n`);
  const found = await discover({
    formats: await shippedFormats(components.stages),
    ...{ nowMs: Date.now(), folders: LOG_FOLDERS, processes: "/proc" },
  });
  for (const line of foundLines(found, terminal)) say(line);
  const asks = process.stdin.isTTY && process.stderr.isTTY && options.yes !== true && output !== "-";
  if (asks && destination === undefined) destination = await askDestination(say);
  const schema = join(packageRoot(), "config/wiretail.schema.json");
  const text = hostText({
    found,
    stateDir: isRoot ? DEFAULT_STATE_DIR : join(homedir(), ".local/state/wiretail"),
    schema: existsSync(schema) ? schema : undefined,
    ...{ destination: destination?.value, version: packageVersion() },
  });
  if (output === "-") process.stdout.write(text);
  else await write(output, text);
  return checked(output, text, destination?.env ?? {}, say, terminal);
}

interface SafeDestination {
  readonly value: Destination;
  /** What the file refers to, as it was given on the command line. */
  readonly env: Readonly<Record<string, string>>;
}

/** A destination whose secrets are names of environment variables: a host file holds none. */
function safeDestination(url: string): SafeDestination {
  const { options, label } = parseDestination(url, process.env);
  const env: Record<string, string> = {};
  const safe: Record<string, unknown> = { ...options };
  for (const [key, name] of [
    ["password", "ES_PASSWORD"],
    ["api_key", "ES_API_KEY"],
  ] as const) {
    // prettier-ignore
    const secret = options[key];
    if (typeof secret !== "string") continue;
    env[name] = secret;
    safe[key] = { $env: name };
  }
  return { value: { options: safe, label }, env };
}

function foundLines(found: Discovery, terminal: Terminal): string[] {
  const rows = found.logs.map(({ include, files, format }) => [
    `  ${format ?? "text"}`,
    visible(include[0]!) +
      (include.length > 1 ? ` and ${include.length - 1} more` : files > 1 ? ` (${files} files)` : ""),
  ]);
  const known = found.programs.filter((name) => PROGRAMS.has(name));
  return [
    paint(terminal, "bold", found.logs.length === 0 ? "No log files were found." : "Found"),
    ...alignColumns(rows),
    ...(known.length === 0 ? [] : [`  running: ${known.join(", ")}`]),
    ...(found.hasJournal ? ["  systemd's journal"] : []),
    ...(found.interfaces.length === 0 ? [] : [`  interfaces: ${found.interfaces.join(", ")}`]),
    ...(found.unreadable.length === 0
      ? []
      : [
          paint(terminal, "yellow", `  not readable for you: ${found.unreadable.slice(0, 5).map((path) => visible(path)).join(", ")}${found.unreadable.length > 5 ? ` and ${found.unreadable.length - 5} more` : ""}`), // prettier-ignore
        ]),
  ];
}

/** Programs that are worth a word: those whose logs people ship. */
const PROGRAMS = new Set([
  ...["nginx", "apache2", "httpd", "haproxy", "postgres", "mysqld", "mariadbd", "redis-server", "valkey-server"],
  ...["mongod", "java", "node", "php-fpm", "dockerd", "containerd", "rsyslogd", "sshd", "caddy", "traefik"],
]);

async function askDestination(say: (line: string) => void): Promise<SafeDestination | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    say("\nEvents are kept in a store on this host, which wiretail search reads. Ship them elsewhere, too?");
    say(`  ${DESTINATION_FORMS}`);
    for (;;) {
      const answer = (await lines.question("URL, or Enter for no: ")).trim();
      if (answer === "") return undefined;
      try {
        return safeDestination(answer);
      } catch (error) {
        say(errorMessage(error));
      }
    }
  } finally {
    lines.close();
  }
}

async function write(output: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(output), { recursive: true });
    await writeFile(output, text, { mode: 0o640 });
  } catch (error) {
    throw new WiretailError("WT_CONFIG_UNREADABLE", `cannot write ${output}: ${errorMessage(error)}`, {
      hint: systemErrorCode(error) === "EACCES" ? "sudo wiretail init, or --output FILE" : "--output FILE",
      cause: error,
    });
  }
}

/** Checks what was written as `check` does, and says what to do next. */
async function checked(
  output: string,
  text: string,
  env: Readonly<Record<string, string>>,
  say: (line?: string) => void,
  terminal: Terminal,
): Promise<number> {
  const file = output === "-" ? "host.json" : output;
  const world = realWorld();
  const { config, problems } = await loadConfig(file, {
    components,
    env: { ...world.env, ...env },
    ...(output === "-" ? { readFile: (path) => (path === file ? text : world.readFile(path)) } : {}),
  });
  for (const problem of problems) say(formatProblem(problem));
  if (config === undefined) return EXIT_CODES.bad;
  if (output === "-") return EXIT_CODES.ok;
  say();
  say(`${paint(terminal, "green", "✓")} ${output} is written, and right. Next:`);
  for (const name of Object.keys(env)) say(`  export ${name}=…                # the file refers to it`);
  say(`  wiretail check ${output} --connect`);
  say(`  wiretail run -c ${output}`);
  say(`  wiretail search -c ${output} error --since 1h`);
  return EXIT_CODES.ok;
}
