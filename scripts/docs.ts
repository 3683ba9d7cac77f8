// npm run docs: writes everything that is generated from the code. With --check it writes nothing and fails when a
// file differs from what would be written.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { components } from "../src/cli/components.ts";
import { buildProgram } from "../src/cli/program.ts";
import { packageRoot } from "../src/runtime/package-root.ts";
import { generatedFiles } from "./docs/generated-files.ts";

const root = packageRoot();
const isCheck = process.argv.includes("--check");
const files = generatedFiles(components, buildProgram());
const stale = new Set(existing(join(root, "docs/reference")));
let differences = 0;

for (const [path, content] of files) {
  const file = join(root, path);
  stale.delete(path);
  const present = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  if (present === content) continue;
  differences++;
  if (isCheck) console.error(`${path}: ${present === undefined ? "is missing" : "differs from the code"}`);
  else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    console.log(`wrote ${path}`);
  }
}
for (const path of stale) {
  differences++;
  if (isCheck) console.error(`${path}: is not generated any more`);
  else {
    rmSync(join(root, path));
    console.log(`removed ${path}`);
  }
}
if (isCheck && differences > 0) process.exitCode = 1;
else console.log(`${files.size} generated files are up to date`);

function existing(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}
