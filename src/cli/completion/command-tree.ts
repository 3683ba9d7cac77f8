import type { Command, Option } from "commander";

/** What completion and the man page need to know of a command: read from its definition. */
export interface CommandShape {
  /** Words that lead to it, without `wiretail`: `dead-letters list`. Empty for the program itself. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly usage: string;
  readonly options: readonly OptionShape[];
  readonly arguments: readonly ArgumentShape[];
  /** What `--help` has behind the options: examples, exit codes. */
  readonly epilogue: string;
  readonly below: readonly CommandShape[];
}

export interface OptionShape {
  /** `-c`, `--config`. */
  readonly names: readonly string[];
  /** `<file>`, or undefined where it takes no value. */
  readonly value: string | undefined;
  readonly description: string;
  /** The values it takes, where these are few. */
  readonly choices: readonly string[];
  readonly kind: ValueKind;
}

export interface ArgumentShape {
  readonly name: string;
  readonly isVariadic: boolean;
  readonly description: string;
  readonly choices: readonly string[];
  readonly kind: ValueKind;
}

/** What may stand somewhere, as far as a shell can help with it. */
export type ValueKind = "file" | "folder" | "pipeline" | "text";

/** The shape of a program with all commands below it. */
export function shapeOf(command: Command, words: readonly string[] = []): CommandShape {
  const help = command.createHelp();
  return {
    words,
    summary: command.summary() || command.description(),
    description: command.description(),
    usage: help.commandUsage(command),
    options: help.visibleOptions(command).map(optionShape),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      isVariadic: argument.variadic,
      description: argument.description,
      choices: argument.argChoices ?? [],
      kind: kindOf(argument.name()),
    })),
    epilogue: epilogueOf(command),
    below: help
      .visibleCommands(command)
      .filter((each) => each.name() !== "help")
      .map((each) => shapeOf(each, [...words, each.name()])),
  };
}

function optionShape(option: Option): OptionShape {
  const value = /[<[]([^>\]]+)[>\]]/.exec(option.flags);
  return {
    names: [option.short, option.long].filter((name) => name !== undefined && name !== null),
    value: value === null ? undefined : value[0],
    description: option.description,
    choices: option.argChoices ?? [],
    kind: value === null ? "text" : option.long === "--format" ? "pipeline" : kindOf(value[1]!),
  };
}

/** What a placeholder stands for, by its name. */
function kindOf(name: string): ValueKind {
  const word = name.replace(/\.\.\.$/, "");
  if (word === "file" || word === "files") return "file";
  if (word === "folder") return "folder";
  return word === "pipeline" ? "pipeline" : "text";
}

/** All commands, the program itself first. */
export function allShapes(shape: CommandShape): CommandShape[] {
  return [shape, ...shape.below.flatMap(allShapes)];
}

/** What is printed behind the options. */
function epilogueOf(command: Command): string {
  let text = "";
  const before = command.configureOutput();
  command.configureOutput({ ...before, writeOut: (part) => void (text += part), getOutHasColors: () => false });
  command.outputHelp();
  const help = command.helpInformation();
  command.configureOutput(before);
  return text.slice(help.length).trim();
}
