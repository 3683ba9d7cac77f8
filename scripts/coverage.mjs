// npm run coverage: the parts that data depends on must be covered by unit, contract and fuzz tests; integration and
// e2e tests count for nothing here.
import { rmSync } from "node:fs";
import { checkTools, ensureBuilt, ensureInstalled, runScript, tryStep } from "./steps.mjs";

const LEAST_PERCENT_OF_LINES = 90;
const FOLDERS = ["core", "codec", "disk", "packet"];
const C8 = "node_modules/c8/bin/c8.js";
const WHERE = ["--temp-directory", "coverage/tmp", "--reports-dir", "coverage"];

await runScript(async () => {
  checkTools();
  await ensureInstalled();
  await ensureBuilt("all");
  rmSync("coverage", { recursive: true, force: true });
  const tests = [process.execPath, "scripts/test.mjs", "--no-build", "--unit", "--contract", "--fuzz"];
  const collect = [C8, ...WHERE, "--reporter", "none", ...tests];
  const env = { WIRETAIL_FUZZ_SECONDS: process.env.WIRETAIL_FUZZ_SECONDS ?? "1" };
  if ((await tryStep("tests under coverage", process.execPath, collect, { env })) !== 0) return 1;
  let failed = 0;
  for (const folder of FOLDERS) {
    const check = ["--check-coverage", "--lines", String(LEAST_PERCENT_OF_LINES)];
    const report = [C8, "report", ...WHERE, "--include", `dist/src/${folder}/**`, "--reporter", "text", ...check];
    const title = `src/${folder}: at least ${LEAST_PERCENT_OF_LINES} % of the lines`;
    if ((await tryStep(title, process.execPath, report, { shown: true })) !== 0) failed++;
  }
  return failed === 0 ? 0 : 1;
});
