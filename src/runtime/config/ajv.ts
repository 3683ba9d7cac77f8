import { createRequire } from "node:module";
import type * as AjvModule from "ajv";
import type { JsonSchema } from "../../core/schema.ts";

/** How schemas are compiled, at build time and here. Formats are checked by syntax.ts; unknown keywords are ours. */
export const AJV_OPTIONS: AjvModule.Options = {
  ...{ allErrors: true, useDefaults: true, strict: false, verbose: true, validateFormats: false },
  // Our schemas are made by core/schema.ts: they are not checked against the schema of schemas at every start.
  ...{ meta: false, validateSchema: false },
};

let ajv: AjvModule.Ajv | undefined;

/** Compiles a schema that the build did not compile (precompiled.ts): components of tests, mostly. */
export function compileSchema(schema: JsonSchema): AjvModule.ValidateFunction {
  if (ajv === undefined) {
    const module = createRequire(import.meta.url)("ajv") as typeof AjvModule;
    ajv = new module.Ajv(AJV_OPTIONS);
  }
  return ajv.compile(schema);
}
