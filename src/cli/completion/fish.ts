import { allShapes, type CommandShape, type ValueKind } from "./command-tree.ts";

/** A completion script for fish; `pipelines` are the names of the shipped ones. */
export function fishCompletion(program: CommandShape, pipelines: readonly string[]): string {
  const lines = allShapes(program).flatMap((shape) => linesOf(shape, pipelines));
  return `# fish completion for wiretail. Made from the command definitions: wiretail completion fish
#   wiretail completion fish > ~/.config/fish/completions/wiretail.fish

complete -c wiretail -f
${lines.join("\n")}
`;
}

function linesOf(shape: CommandShape, pipelines: readonly string[]): string[] {
  const { words, below, options } = shape;
  const here = `-n ${quote(condition(shape))}`;
  const lines = below.map((each) => `complete -c wiretail ${here} -a ${each.words.at(-1)!} -d ${quote(each.summary)}`);
  for (const { names, value, description, choices, kind } of options) {
    const flags = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
    const takes = value === undefined ? "" : ` -r${candidates(kind, choices, pipelines)}`;
    const where = words.length === 0 ? "" : ` -n ${quote(seen(words))}`;
    lines.push(`complete -c wiretail${where} ${flags.join(" ")}${takes} -d ${quote(description)}`);
  }
  const [first] = shape.arguments;
  if (first !== undefined && (first.kind !== "text" || first.choices.length > 0))
    lines.push(`complete -c wiretail -n ${quote(seen(words))}${candidates(first.kind, first.choices, pipelines)}`);
  return lines;
}

/** Where the names of the commands below are offered. */
function condition({ words, below }: CommandShape): string {
  if (words.length === 0) return "__fish_use_subcommand";
  const names = below.map((each) => each.words.at(-1)!).join(" ");
  return names === "" ? seen(words) : `${seen(words)}; and not __fish_seen_subcommand_from ${names}`;
}

function seen(words: readonly string[]): string {
  return words.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
}

function candidates(kind: ValueKind, choices: readonly string[], pipelines: readonly string[]): string {
  if (choices.length > 0) return ` -f -a ${quote(choices.join(" "))}`;
  if (kind === "file") return " -F";
  if (kind === "folder") return ` -f -a ${quote("(__fish_complete_directories)")}`;
  return kind === "pipeline" ? ` -F -a ${quote(pipelines.join(" "))}` : " -f";
}

function quote(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}
