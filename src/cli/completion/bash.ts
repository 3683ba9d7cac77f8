import { allShapes, type CommandShape, type ValueKind } from "./command-tree.ts";

/** A completion script for bash 3.2 and later; `pipelines` are the names of the shipped ones. */
export function bashCompletion(program: CommandShape, pipelines: readonly string[]): string {
  const shapes = allShapes(program);
  const paths = shapes.filter(({ words }) => words.length > 0).map(({ words }) => words);
  return `# bash completion for wiretail. Made from the command definitions: wiretail completion bash
#   source <(wiretail completion bash)

_wiretail_words() {
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_wiretail_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$cur"))
}

_wiretail() {
  local cur prev command i
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD - 1]}"
  COMPREPLY=()
  command=""
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command/\${COMP_WORDS[i]}" in
${paths.map((words) => `      "${words.slice(0, -1).join("/")}/${words.at(-1)}") command="${words.join("/")}" ;;`).join("\n")}
    esac
  done
  # The value of an option.
  case "$command:$prev" in
${shapes.flatMap((shape) => optionValues(shape, pipelines)).join("\n")}
  esac
  case "$command" in
${shapes.map((shape) => candidates(shape, pipelines)).join("\n")}
  esac
}

complete -F _wiretail wiretail
`;
}

function optionValues({ words, options }: CommandShape, pipelines: readonly string[]): string[] {
  return options
    .filter(({ value }) => value !== undefined)
    .map(({ names, kind, choices }) => {
      const patterns = names.map((name) => `"${words.join("/")}:${name}"`).join(" | ");
      return `    ${patterns}) ${complete(kind, choices, pipelines)}return ;;`;
    });
}

function candidates(shape: CommandShape, pipelines: readonly string[]): string {
  const options = shape.options.flatMap(({ names }) => names).join(" ");
  const below = shape.below.map(({ words }) => words.at(-1)!).join(" ");
  const [first] = shape.arguments;
  const plain = below !== "" ? `_wiretail_words "${below}"` : first === undefined ? ":" : complete(first.kind, first.choices, pipelines).replace(/; $/, "") || ":"; // prettier-ignore
  return [
    `    "${shape.words.join("/")}")`,
    `      if [[ "$cur" == -* ]]; then _wiretail_words "${options}"; else ${plain}; fi`,
    "      ;;",
  ].join("\n");
}

function complete(kind: ValueKind, choices: readonly string[], pipelines: readonly string[]): string {
  if (choices.length > 0) return `_wiretail_words "${choices.join(" ")}"; `;
  if (kind === "file") return "_wiretail_files -f; ";
  if (kind === "folder") return "_wiretail_files -d; ";
  // A shipped pipeline, or the path of one's own.
  if (kind === "pipeline")
    return `if [[ "$cur" == */* || "$cur" == .* ]]; then _wiretail_files -f; else _wiretail_words "${pipelines.join(" ")}"; fi; `;
  return "";
}
