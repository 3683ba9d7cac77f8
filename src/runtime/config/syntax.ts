import { parseKql } from "../../codec/kql/parse.ts";
import { compileTimeFormat } from "../../codec/time/format.ts";
import { templateFault } from "../../codec/template.ts";
import { errorMessage } from "../../core/error.ts";
import type { JsonSchema } from "../../core/schema.ts";
import type { Place } from "./document.ts";
import type { ProblemList } from "./problems.ts";
import { walkSchema } from "./walk-schema.ts";

type Syntax = NonNullable<JsonSchema["x-syntax"]>;

/** Says what is wrong with a text of each syntax, or undefined. */
const FAULTS: Readonly<Record<Syntax, (text: string) => string | undefined>> = {
  kql: kqlFault,
  regex: regexFault,
  time_format: timeFormatFault,
  template: templateFault,
  field: fieldFault,
  path: pathFault,
  glob: pathFault,
};

/** Checks every string that its schema gives a syntax, and reports faults in place. */
export function checkSyntax(schema: JsonSchema, value: unknown, place: Place, problems: ProblemList): void {
  walkSchema(schema, value, (described) => {
    const syntax = described.schema["x-syntax"];
    if (syntax === undefined || typeof described.value !== "string") return;
    const fault = FAULTS[syntax](described.value);
    if (fault !== undefined) problems.error(place.descend(described.pointer).location, fault);
  });
}

/** What is wrong with a KQL query, or undefined. */
export function kqlFault(query: string): string | undefined {
  try {
    parseKql(query);
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}

function regexFault(pattern: string): string | undefined {
  try {
    new RegExp(pattern);
    return undefined;
  } catch (error) {
    return errorMessage(error).replace(/^Invalid regular expression: /, "invalid regular expression ");
  }
}

function timeFormatFault(format: string): string | undefined {
  try {
    compileTimeFormat(format, { now: () => 0 });
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}

function pathFault(path: string): string | undefined {
  if (path === "") return "found an empty string, expected a path";
  if (path.includes("\0")) return "a path cannot hold a NUL character";
  return path.startsWith("~/") ? `found ${JSON.stringify(path)}: ~ is not expanded, write the whole path` : undefined;
}

function fieldFault(name: string): string | undefined {
  if (name === "") return "a field's name must not be empty";
  return name.split(".").includes("")
    ? `found ${JSON.stringify(name)}, expected a field's name such as http.response.status_code`
    : undefined;
}
