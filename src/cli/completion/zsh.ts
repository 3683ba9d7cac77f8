import type { CommandShape, OptionShape, ValueKind } from "./command-tree.ts";

/** A completion function for zsh; `pipelines` are the names of the shipped ones. */
export function zshCompletion(program: CommandShape, pipelines: readonly string[]): string {
  return `#compdef wiretail
# zsh completion for wiretail. Made from the command definitions: wiretail completion zsh
#   wiretail completion zsh > "\${fpath[1]}/_wiretail"

_wiretail_pipeline() {
  local -a pipelines
  pipelines=(${pipelines.join(" ")})
  _alternative 'pipelines:shipped pipeline:compadd -a pipelines' 'files:file:_files -g "*.json(-.)"'
}

${functionsOf(program, pipelines).join("\n\n")}

if [ "$funcstack[1]" = "_wiretail" ]; then
  _wiretail "$@"
else
  compdef _wiretail wiretail
fi
`;
}

/** One function a command. */
function functionsOf(shape: CommandShape, pipelines: readonly string[]): string[] {
  const name = functionName(shape.words);
  const specs = shape.options.flatMap(optionSpecs);
  if (shape.below.length === 0) {
    for (const { name: what, isVariadic, choices, kind } of shape.arguments)
      specs.push(quote(`${isVariadic ? "*" : ""}:${what}:${action(kind, choices)}`));
    return [`${name}() {\n  _arguments -s -S \\\n    ${specs.join(" \\\n    ")}\n}`];
  }
  const commands = shape.below.map(({ words, summary }) => `    ${quote(`${words.at(-1)!}:${summary}`)}`);
  const cases = shape.below.map(({ words }) => `        ${words.at(-1)!}) ${functionName(words)} ;;`);
  const own = `${name}() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  local -a commands
  commands=(
${commands.join("\n")}
  )
  _arguments -C \\
    ${[...specs, quote("1:command:->command"), quote("*::argument:->argument")].join(" \\\n    ")}
  case "$state" in
    command) _describe -t commands command commands ;;
    argument)
      case "$line[1]" in
${cases.join("\n")}
      esac
      ;;
  esac
}`;
  return [...shape.below.flatMap((each) => functionsOf(each, pipelines)), own];
}

function functionName(words: readonly string[]): string {
  return ["_wiretail", ...words].join("_").replaceAll("-", "_");
}

function optionSpecs({ names, value, description, choices, kind }: OptionShape): string[] {
  const text = description.replaceAll(/([[\]:\\])/g, "\\$1");
  const takes = value === undefined ? "" : `:${value.replaceAll(/[<>[\]]/g, "")}:${action(kind, choices)}`;
  return names.map((name) => quote(`${names.length > 1 ? `(${names.join(" ")})` : ""}${name}[${text}]${takes}`));
}

function action(kind: ValueKind, choices: readonly string[]): string {
  if (choices.length > 0) return `(${choices.join(" ")})`;
  return { file: "_files", folder: "_files -/", pipeline: "_wiretail_pipeline", text: " " }[kind];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
