// Part of the build: compiles every option schema into a validator of its own, so that the agent starts without Ajv.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Ajv } from "ajv";
import { components } from "../dist/src/cli/components.js";
import { AJV_OPTIONS } from "../dist/src/runtime/config/ajv.js";
import { validatedSchemas, validatorFile } from "../dist/src/runtime/config/precompiled.js";
import { ROOT } from "./steps.mjs";

// What the modules of Ajv that are written as CommonJS call their default export depends on who loads them.
const { default: standalone } = await import("ajv/dist/standalone/index.js");
const standaloneCode = standalone.default ?? standalone;

const folder = path.join(ROOT, "dist/src/runtime/config/validators");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const schema of validatedSchemas(components)) {
  const ajv = new Ajv({ ...AJV_OPTIONS, code: { source: true } });
  writeFileSync(path.join(folder, validatorFile(schema)), standaloneCode(ajv, ajv.compile(schema)));
}
