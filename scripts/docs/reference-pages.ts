import type { Command } from "commander";
import { EXIT_WORDS } from "../../src/cli/completion/man.ts";
import { EXIT_CODES } from "../../src/cli/exit-code.ts";
import { ERROR_CODES } from "../../src/core/error.ts";
import type { ComponentLists } from "../../src/runtime/config/load.ts";
import { statusSamples } from "../../src/runtime/status-samples.ts";
import { metricName } from "./component-page.ts";
import { code, GENERATED, table } from "./markdown.ts";
import { ONE_OF_EACH } from "./status-sample.ts";

/** The way into the reference. */
export function indexPage(components: ComponentLists): string {
  const list = (kind: keyof ComponentLists): string =>
    table(
      ["Type", "What it does"],
      components[kind].map(({ type, summary }) => [`[${code(type)}](${kind}/${type}.md)`, summary]),
    );
  const parts = [
    "# Reference\n",
    "[Configuration](configuration.md) · [Command line](cli.md) · [Metrics](metrics.md) · [Errors](errors.md)\n",
    `## Sources\n\n${list("sources")}`,
    `## Stages\n\n${list("stages")}`,
    `## Sinks\n\n${list("sinks")}`,
  ];
  return GENERATED + parts.join("\n");
}

/** Every error code with an anchor of its own. */
export function errorsPage(): string {
  const entries = Object.entries(ERROR_CODES).map(([name, meaning]) => `## ${name}\n\n${meaning}\n`);
  return `${GENERATED}# Errors\n\nAn error names its code in brackets. Messages say what to do; here is what each code means.\n\n${entries.join("\n")}`;
}

/** What `--help` of every command says. */
export function cliPage(program: Command): string {
  const codes = Object.entries(EXIT_CODES).map(([name, value]) => [
    String(value),
    EXIT_WORDS[name as keyof typeof EXIT_CODES],
  ]);
  const parts = ["# Command line\n", `## wiretail\n\n${fence(helpOf(program))}`];
  for (const command of program.commands) {
    parts.push(`## wiretail ${command.name()}\n\n${fence(helpOf(command))}`);
    for (const below of command.commands)
      parts.push(`### wiretail ${command.name()} ${below.name()}\n\n${fence(helpOf(below))}`);
  }
  parts.push(
    `## Exit codes\n\n${table(["Code", "Meaning"], codes)}`,
    "## Environment\n\nColour is used on terminals only; `NO_COLOR` or `TERM=dumb` turn it off, `FORCE_COLOR` turns it on. Placeholders read the\nenvironment too: see [configuration](configuration.md#placeholders).\n",
  );
  return GENERATED + parts.join("\n");
}

/** The whole help text of a command, at a fixed width and without colour. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => void (text += part),
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trim();
}

function fence(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\`\n`;
}

/** Every metric of `/metrics`. */
export function metricsPage(components: ComponentLists): string {
  const seen = new Map<string, string[]>();
  for (const sample of statusSamples(ONE_OF_EACH)) {
    const labels = Object.keys(sample.labels).map(code).join(", ");
    seen.set(sample.name, [code(metricName(sample)), sample.kind, labels, `${sample.description}.`]);
  }
  const parts = [
    "# Metrics\n\nServed in Prometheus format at `/metrics` when `http` is configured. Counters begin at 0 when the agent starts.\n",
    `## Of the agent\n\n${table(["Metric", "Kind", "Labels", "Meaning"], [...seen.values()])}`,
  ];
  for (const definition of [...components.sources, ...components.stages, ...components.sinks]) {
    if (definition.metrics === undefined || definition.metrics.length === 0) continue;
    const rows = definition.metrics.map((metric) => [
      code(metricName(metric)),
      metric.kind,
      metric.unit,
      metric.description,
    ]);
    parts.push(
      `## Of the \`${definition.type}\` ${definition.kind}\n\n${table(["Metric", "Kind", "Unit", "Meaning"], rows)}`,
    );
  }
  return GENERATED + parts.join("\n");
}
