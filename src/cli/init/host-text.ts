import { basename, dirname } from "node:path";
import type { Destination } from "../tail/destination.ts";
import { visible } from "../terminal.ts";
import type { Discovery, FoundLogs } from "./discover.ts";

/** What a host file is made of. */
export interface HostChoice {
  readonly found: Discovery;
  readonly stateDir: string;
  /** Where the schema lies, for editors; undefined: unknown. */
  readonly schema: string | undefined;
  /** Where events go beside the local store. */
  readonly destination: Destination | undefined;
  readonly version: string;
}

/** A JSON document with comments that says what was found and what it does with it. */
export function hostText(choice: HostChoice): string {
  const { found, stateDir, schema, destination } = choice;
  const names = namesOf(found.logs);
  const usesJournal = found.hasJournal && !found.logs.some(({ format }) => format === "syslog" || format === "auth");
  const to = destination === undefined ? ["here"] : ["here", "out"];
  const sources = found.logs.map((logs, i) => ({
    comment: logs.files > 1 ? `${logs.files} files. ${logs.why}` : logs.why,
    text: member(names[i]!, { type: "file", include: logs.include }),
  }));
  const pipelines = found.logs.map((logs, i) => ({
    text: member(names[i]!, {
      from: [names[i]],
      ...(logs.format === undefined
        ? { stages: [{ set: { fields: { "event.dataset": names[i] } } }] }
        : { use: logs.format }),
      to,
    }),
  }));
  const journal = member("journal", { type: "command", command: JOURNAL_COMMAND });
  const journalPipeline = member("journal", { from: ["journal"], use: "syslog", to });
  const wire = found.interfaces[0];
  if (usesJournal) {
    sources.push({ comment: "systemd's journal: there is no syslog file here", text: journal });
    pipelines.push({ text: journalPipeline });
  }
  if (sources.length === 0) {
    sources.push({ comment: "No log was found: say here which files to read", text: member("app", EXAMPLE) });
    pipelines.push({ text: member("app", { from: ["app"], use: "json-lines", to }) });
  }
  const lines = [
    `// Made by wiretail init ${choice.version} from what it found on this host. Change it as you like, then:`,
    "//   wiretail check FILE      is it right?",
    "//   wiretail run -c FILE     ship",
    "// All options are in docs/reference/ of the package; mistakes are reported with their line.",
    "{",
    ...(schema === undefined ? [] : [`  ${member("$schema", schema)},`, ""]),
    "  // Checkpoints, dead letters, the journal, the control socket.",
    `  ${member("state_dir", stateDir)},`,
    "",
    ...section("sources", sources, [
      ...(found.hasJournal && !usesJournal
        ? [
            "// systemd's journal; it says most of what the syslog files above say, so it is left out.",
            `// ${journal},`,
          ]
        : []),
      ...(wire === undefined
        ? []
        : [
            `// Packets on ${found.interfaces.join(", ")}, as tcpdump prints them (needs root, or CAP_NET_RAW):`,
            `// ${member("packets", { type: "command", command: ["tcpdump", "-l", "-n", "-i", wire] })},`,
          ]),
      ...found.unreadable.map((path) => `// Not read, because this user may not: ${visible(path)}`),
    ]),
    "",
    ...section("pipelines", pipelines, [
      ...(found.hasJournal && !usesJournal ? [`// ${journalPipeline},`] : []),
      ...(wire === undefined ? [] : [`// ${member("packets", { from: ["packets"], use: "tcpdump-text", to })},`]),
    ]),
    "",
    ...section(
      "sinks",
      [
        {
          comment: "A store on this host: wiretail search -c FILE error --since 1h",
          text: member("here", { type: "local", path: `${stateDir}/store`, retention: RETENTION }),
        },
        ...(destination === undefined ? [] : [{ text: member("out", destination.options) }]),
      ],
      destination === undefined
        ? [
            '// Add "out" to the "to" of pipelines that are to be shipped there, too.',
            `// ${member("out", { type: "elasticsearch", nodes: ["https://es.example.com:9200"], api_key: { $env: "ES_API_KEY" } })},`,
            `// ${member("out", { type: "cloudwatch_logs", log_group_name: "hosts", log_stream_name: "{hostname}" })},`,
          ]
        : [],
      true,
    ),
    "}",
  ];
  return lines.join("\n") + "\n";
}

/** 14 days, 4 GiB. */
const RETENTION = { max_age_ms: 1_209_600_000, max_bytes: 4_294_967_296 };
const EXAMPLE = { type: "file", include: ["/var/log/app/*.log"] };
/** From now on; the lines are those of syslog files, with times that have a zone. */
const JOURNAL_COMMAND = ["journalctl", "--follow", "--lines=0", "--no-pager", "--output=short-iso-precise"];

function section(
  name: string,
  members: readonly { readonly comment?: string; readonly text: string }[],
  notes: readonly string[],
  isLast = false,
): string[] {
  return [
    `  "${name}": {`,
    ...members.flatMap(({ comment, text }) => [
      ...(comment === undefined ? [] : [`    // ${comment}`]),
      `    ${text},`,
    ]),
    ...notes.map((note) => `    ${note}`),
    isLast ? "  }," : "  },",
  ];
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}: ${spaced(value)}`;
}

/** JSON on one line, with spaces as people write it. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`);
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

/** A short name for each, all different: the format's, or else that of the file or of its folder. */
function namesOf(logs: readonly FoundLogs[]): string[] {
  const names: string[] = [];
  for (const { format, include, files } of logs) {
    const file = include[0]!;
    const folder = basename(dirname(file));
    const own = files > 1 ? (folder === "log" ? "others" : folder) : basename(file).replace(/\.log$/, "");
    const base = (format ?? own).toLowerCase().replaceAll(/[^a-z0-9_-]+/g, "-").replaceAll(/^-+|-+$/g, "") || "log"; // prettier-ignore
    let name = base;
    for (let n = 2; names.includes(name); n++) name = `${base}-${n}`;
    names.push(name);
  }
  return names;
}
