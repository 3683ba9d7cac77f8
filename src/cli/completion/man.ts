import { EXIT_CODES } from "../exit-code.ts";
import { allShapes, type CommandShape } from "./command-tree.ts";

/** The manual page wiretail(1), in the man macros of troff. */
export function manPage(program: CommandShape, version: string): string {
  const commands = allShapes(program).filter(({ words, below }) => words.length > 0 && below.length === 0);
  return [
    '.\\" Made from the command definitions: npm run docs',
    `.TH WIRETAIL 1 "" "wiretail ${text(version)}" "User Commands"`,
    ".SH NAME",
    "wiretail \\- ship logs and lose none",
    ".SH SYNOPSIS",
    ".B wiretail",
    ".I command",
    "[\\fIoptions\\fR]",
    ".SH DESCRIPTION",
    text(program.description),
    ".SH COMMANDS",
    ...commands.flatMap(({ words, summary }) => [".TP", `.B ${text(words.join(" "))}`, text(summary)]),
    ".SH OPTIONS OF ALL COMMANDS",
    ...options(program),
    ...commands.flatMap(commandSection),
    ".SH EXIT STATUS",
    ...Object.entries(EXIT_CODES).flatMap(([name, code]) => [
      ".TP",
      `.B ${code}`,
      text(EXIT_WORDS[name as keyof typeof EXIT_CODES]),
    ]),
    ".SH ENVIRONMENT",
    ".TP",
    ".B NO_COLOR",
    "When it is not empty, no colours are used. They are used on terminals only anyway;",
    ".B FORCE_COLOR",
    "asks for them elsewhere.",
    ".SH SEE ALSO",
    "The docs folder of the package: docs/first\\-steps.md, docs/configuration.md, docs/reference/.",
    "",
  ].join("\n");
}

/** What each exit code means; the reference page and the manual say the same. */
export const EXIT_WORDS: Readonly<Record<keyof typeof EXIT_CODES, string>> = {
  ok: "fine",
  bad: "it ran, and the answer is bad: check found errors, a test failed, status is unhealthy, run --once lost events",
  usage: "wrong use, or a query that does not parse",
  noAgent: "no running agent to talk to",
  permission: "permission or credentials",
  interrupted: "Ctrl-C",
};

function commandSection(shape: CommandShape): string[] {
  return [
    `.SH "${text(`wiretail ${shape.words.join(" ")}`).toUpperCase()}"`,
    `.B ${text(shape.usage)}`,
    ".PP",
    text(shape.description),
    ...shape.arguments
      .filter(({ description }) => description !== "")
      .flatMap(({ name, description }) => [".TP", `.I ${text(name)}`, text(description)]),
    ...options(shape),
    ...(shape.epilogue === "" ? [] : [".PP", ".nf", text(shape.epilogue), ".fi"]),
  ];
}

function options({ options: all }: CommandShape): string[] {
  return all.flatMap(({ names, value, description, choices }) => [
    ".TP",
    `${names.map((name) => `\\fB${text(name)}\\fR`).join(", ")}${value === undefined ? "" : ` \\fI${text(value)}\\fR`}`,
    text(description) + (choices.length === 0 ? "" : ` (${text(choices.join(", "))})`),
  ]);
}

/** Text for troff: backslashes, hyphens that are to be copied, and what would be a request at a line's beginning. */
function text(plain: string): string {
  return plain
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(/^([.'])/gm, "\\&$1")
    .replaceAll("’", "'")
    .replaceAll("…", "...");
}
