import { readdirSync, readFileSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import type { AnyStage } from "../../core/component.ts";
import { errorMessage, WiretailError } from "../../core/error.ts";
import { shippedPipelinesFolder } from "../package-root.ts";
import type { Place } from "./document.ts";
import { PIPELINE_FILE, STAGE_COMMON, TESTS_FILE, type PipelineTest } from "./host-schema.ts";
import { readDocument } from "./merge.ts";
import { suggestion } from "./nearest.ts";
import { ProblemList } from "./problems.ts";
import { resolveValue, type ConfigWorld } from "./secrets.ts";
import { checkSyntax, kqlFault } from "./syntax.ts";
import type { ConfigProblem, OnError, StageConfig } from "./types.ts";
import { describeValue, validateValue } from "./validate.ts";

/** A pipeline file after validation. */
export interface PipelineFile {
  /** Its path, as messages show it. */
  readonly file: string;
  readonly name: string;
  readonly description: string | undefined;
  /** Its stages in order, those of files that it uses included. */
  readonly stages: readonly StageConfig[];
  readonly tests: readonly PipelineTest[];
}

/** What reading stages needs, and what it leaves. */
export interface StageReader {
  readonly definitions: readonly AnyStage[];
  readonly world: ConfigWorld;
  readonly problems: ProblemList;
  /** Folder of the pipelines that bare names stand for. */
  readonly shippedFolder: string;
}

/** Stages, and what was written for them with secrets resolved (for fingerprints). */
export interface ReadStages {
  readonly stages: StageConfig[];
  readonly written: unknown[];
}

/** The real file system and environment. */
export function realWorld(): ConfigWorld {
  return { env: process.env, readFile: (path) => readFileSync(path, "utf8"), readDir: (path) => readdirSync(path) };
}

/**
 * Loads one pipeline file: a path (relative to `fromDir`) or the name of a shipped pipeline. Never throws because of
 * what the file holds; `pipeline` is there when `problems` has no error.
 */
export async function loadPipelineFile(
  nameOrPath: string,
  fromDir: string,
  options: { stages: readonly AnyStage[]; world?: ConfigWorld; shippedFolder?: string },
): Promise<{ pipeline?: PipelineFile; problems: ConfigProblem[] }> {
  const problems = new ProblemList();
  const world = options.world ?? realWorld();
  const reader = {
    definitions: options.stages,
    world,
    problems,
    shippedFolder: options.shippedFolder ?? shippedPipelinesFolder(),
  };
  const file = isPath(nameOrPath) ? showPath(fromDir, nameOrPath) : shippedFile(nameOrPath, reader);
  if (typeof file !== "string") {
    problems.error({ file: nameOrPath, line: 1, column: 1, pointer: "" }, file.fault);
    return { problems: problems.sorted() };
  }
  const read = readPipelineFile(file, reader, []);
  const beside = read === undefined ? [] : readTestsBeside(file, reader);
  return {
    ...(read === undefined || problems.hasErrors
      ? {}
      : { pipeline: { ...read.pipeline, tests: [...read.pipeline.tests, ...beside] } }),
    problems: problems.sorted(),
  };
}

/** The tests in `NAME.tests.json`, beside the pipeline file `NAME.json`, if there is such a file. */
function readTestsBeside(file: string, reader: StageReader): readonly PipelineTest[] {
  const path = file.replace(/(\.json)?$/, ".tests.json");
  try {
    reader.world.readFile(path);
  } catch {
    return [];
  }
  const root = readDocument(path, reader.world, reader.problems);
  if (root === undefined) return [];
  const value = root.toValue();
  if (!validateValue(TESTS_FILE, value, root, reader.problems, { word: "key" })) return [];
  const { tests } = value as { tests: PipelineTest[] };
  tests.forEach((test, index) => checkTest(test, root.descend(`/tests/${index}`), reader.problems));
  return tests;
}

/** The shipped pipelines by name, in order. */
export function shippedPipelines(world: ConfigWorld = realWorld(), folder = shippedPipelinesFolder()): string[] {
  try {
    return world
      .readDir(folder)
      .filter((name) => name.endsWith(".json") && !name.endsWith(".tests.json"))
      .map((name) => name.slice(0, -".json".length))
      .sort();
  } catch {
    return [];
  }
}

/** The stages of the file that a `use` names. Faults are reported where they are: at `said`, or inside the file. */
export function readUsed(use: Place, reader: StageReader, chain: readonly string[]): ReadStages {
  const none: ReadStages = { stages: [], written: [] };
  const name: unknown = use.node.value;
  if (typeof name !== "string" || name === "") {
    reader.problems.error(
      use.location,
      `found ${describeValue(use.toValue())}, expected the name or the path of a pipeline`,
    );
    return none;
  }
  const file = isPath(name) ? showPath(use.document.folder, name) : shippedFile(name, reader);
  if (typeof file !== "string") {
    reader.problems.error(use.location, file.fault);
    return none;
  }
  if (chain.some((each) => resolve(each) === resolve(file))) {
    reader.problems.error(use.location, `this goes in a circle: ${[...chain, file].join(" uses ")}`);
    return none;
  }
  const read = readPipelineFile(file, reader, chain, use);
  return read === undefined ? none : { stages: [...read.pipeline.stages], written: read.written };
}

function readPipelineFile(
  file: string,
  reader: StageReader,
  chain: readonly string[],
  said?: Place,
): { pipeline: PipelineFile; written: unknown[] } | undefined {
  const root = readDocument(file, reader.world, reader.problems, said?.location);
  if (root === undefined) return undefined;
  const value = root.toValue();
  const members = root.members();
  const list = members.get("stages");
  const read = list === undefined ? { stages: [], written: [] } : readStages(list, reader, [...chain, file]);
  if (!validateValue(PIPELINE_FILE, value, root, reader.problems, { word: "key" })) return undefined;
  const { name, description, tests } = value as { name: string; description?: string; tests: PipelineTest[] };
  tests.forEach((test, index) => checkTest(test, root.descend(`/tests/${index}`), reader.problems));
  return { pipeline: { file, name, description, stages: read.stages, tests }, written: read.written };
}

function checkTest(test: PipelineTest, place: Place, problems: ProblemList): void {
  test.input.forEach((item, index) => {
    const isEvent = typeof item === "object" && item !== null && !Array.isArray(item);
    if (typeof item !== "string" && !isEvent) {
      problems.error(
        place.descend(`/input/${index}`).location,
        `found ${describeValue(item)}, expected a line (a string) or an event (an object)`,
      );
    }
  });
  if (test.now !== undefined && Number.isNaN(Date.parse(test.now))) {
    problems.error(
      place.descend("/now").location,
      `found ${describeValue(test.now)}, expected a time such as 2026-11-21T09:56:26Z`,
    );
  }
}

/** Reads a list of stages (whether it is a list, the schema says). `chain`: the pipeline files that led here. */
export function readStages(list: Place, reader: StageReader, chain: readonly string[]): ReadStages {
  const read: ReadStages = { stages: [], written: [] };
  for (const entry of list.items()) {
    const named = stageOf(entry, reader.problems);
    if (named === undefined) continue;
    const [type, place] = named;
    if (type === "use") {
      const used = onlyWhen(readUsed(place, reader, chain), entry, reader.problems);
      checkSeveral(read.stages, used.stages, place, reader.problems);
      read.stages.push(...used.stages);
      read.written.push(...used.written);
      continue;
    }
    const stage = readStage(type, place, reader);
    if (stage === undefined) continue;
    checkSeveral(read.stages, [stage.config], place, reader.problems);
    read.stages.push(stage.config);
    read.written.push(stage.written);
  }
  return read;
}

/** The stages of a `use` that has a condition beside it: each of them goes by that, too. */
function onlyWhen({ stages, written }: ReadStages, entry: Place, problems: ProblemList): ReadStages {
  const when = entry.members().get("when");
  if (when === undefined) return { stages, written };
  const outer = readWhen(when, problems);
  if (outer === undefined) return { stages, written };
  const both = (inner: unknown): string => (typeof inner === "string" ? `(${outer}) and (${inner})` : outer);
  return {
    stages: stages.map((stage) => ({ ...stage, when: both(stage.when) })),
    written: written.map((each) =>
      Object.fromEntries(
        Object.entries(each as Record<string, Record<string, unknown>>).map(([type, options]) => [
          type,
          { ...options, when: both(options["when"]) },
        ]),
      ),
    ),
  };
}

/** The KQL of a `when`; undefined, and reported, when it is none. */
function readWhen(place: Place, problems: ProblemList): string | undefined {
  const when: unknown = place.toValue();
  const fault =
    typeof when === "string" ? kqlFault(when) : `found ${describeValue(when)}, expected a KQL query as a string`;
  if (fault !== undefined) problems.error(place.location, fault);
  return fault === undefined ? (when as string) : undefined;
}

/** Events that were made of one are numbered once: a second stage of the kind would give numbers twice. */
function checkSeveral(
  before: readonly StageConfig[],
  added: readonly StageConfig[],
  place: Place,
  problems: ProblemList,
): void {
  const first = before.find(makesSeveral);
  const second = added.find(makesSeveral);
  if (first === undefined || second === undefined) return;
  problems.error(
    place.nameLocation,
    `${second.definition.type} makes several events of one, as ${first.definition.type} before it does: a pipeline can have one such stage`,
  );
}

/** The one member of a stage's entry: its type and its options. */
function stageOf(entry: Place, problems: ProblemList): [type: string, place: Place] | undefined {
  const members = [...entry.members()];
  const [first] = members;
  if (entry.node.type !== "object" || first === undefined) {
    problems.error(
      entry.location,
      `found ${describeValue(entry.toValue())}, expected a stage such as { "filter": { "keep": "KQL" } }`,
    );
    return undefined;
  }
  if (members.length === 1) return first;
  const used = members.find(([name]) => name === "use");
  if (used !== undefined && members.every(([name]) => name === "use" || name === "when")) return used;
  const extra = members.map(([name]) => name).filter((name) => Object.hasOwn(STAGE_COMMON, name));
  const type = members.map(([name]) => name).find((name) => !Object.hasOwn(STAGE_COMMON, name));
  const remedy =
    extra.length > 0 && type !== undefined
      ? `; put ${extra.map((name) => `"${name}"`).join(" and ")} inside "${type}"`
      : "; write one object for each stage";
  problems.error(
    entry.location,
    `found the keys ${members.map(([name]) => `"${name}"`).join(", ")}, expected one, the stage's type${remedy}`,
  );
  return undefined;
}

function readStage(
  type: string,
  place: Place,
  reader: StageReader,
): { config: StageConfig; written: unknown } | undefined {
  const { problems } = reader;
  const definition = reader.definitions.find((each) => each.type === type);
  if (definition === undefined) {
    const known = reader.definitions.map((each) => each.type);
    problems.error(place.nameLocation, `unknown stage "${type}"${suggestion(type, [...known, "use"])}`);
    return undefined;
  }
  if (place.node.type !== "object") {
    problems.error(
      place.location,
      `found ${describeValue(place.toValue())}, expected an object with the options of ${type}`,
    );
    return undefined;
  }
  const before = problems.errorCount;
  const { value, secretPointers } = resolveValue(place, reader.world, problems);
  const written = { [type]: structuredClone(value) };
  const { when, on_error: onError = "keep", ...options } = value as Record<string, unknown>;
  if (when !== undefined) readWhen(place.descend("/when"), problems);
  validateValue(STAGE_COMMON.on_error, onError, place.descend("/on_error"), problems);
  if (!validateValue(definition.schema, options, place, problems, { secretPointers })) return undefined;
  checkSyntax(definition.schema, options, place, problems);
  for (const [pointer, message] of definition.validate?.(options) ?? [])
    problems.error(place.descend(pointer).location, message);
  const config: StageConfig = {
    definition,
    options,
    when: typeof when === "string" ? when : undefined,
    onError: onError as OnError,
    baseDir: place.document.folder,
    location: place.nameLocation,
  };
  // Whatever does not compile (patterns, formats) is only known to the stage itself.
  if (problems.errorCount === before) tryCreate(config, place, problems);
  return { config, written };
}

function tryCreate(stage: StageConfig, place: Place, problems: ProblemList): void {
  try {
    stage.definition.create(structuredClone(stage.options), { now: () => Date.now(), baseDir: stage.baseDir });
  } catch (error) {
    problems.error(place.location, errorMessage(error), error instanceof WiretailError ? error.hint : undefined);
  }
}

function isPath(name: string): boolean {
  return name.endsWith(".json") || name.includes("/");
}

/** A path relative to `folder` as messages show it: relative ones stay so. */
function showPath(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

function shippedFile(name: string, reader: StageReader): string | { fault: string } {
  const known = shippedPipelines(reader.world, reader.shippedFolder);
  if (!known.includes(name)) {
    const near = suggestion(name, known);
    const remedy = near.startsWith("; did") ? "" : "; a file of your own is given as a path ending in .json";
    return { fault: `no shipped pipeline is called "${name}"${near}${remedy}` };
  }
  const file = join(reader.shippedFolder, `${name}.json`);
  const fromHere = relative(process.cwd(), file);
  return fromHere.startsWith("..") ? file : fromHere;
}

function makesSeveral({ definition, options }: StageConfig): boolean {
  return definition.makesSeveral?.(options) === true;
}
