// npm run lint: formatting, lint rules, unused files and exports. Types are checked by the build.
import { checkTools, ensureInstalled, runScript, tryStep } from "./steps.mjs";

const CHECKS = [
  ["formatting (prettier)", "node_modules/prettier/bin/prettier.cjs", ["--check", "--log-level", "warn", "."]],
  ["lint rules (eslint)", "node_modules/eslint/bin/eslint.js", ["--max-warnings", "0", "."]],
  ["unused files, exports and dependencies (knip)", "node_modules/knip/bin/knip.js", []],
];

/** Returns how many of the checks failed. */
export async function lint() {
  let failed = 0;
  for (const [title, script, args] of CHECKS) {
    if ((await tryStep(title, process.execPath, [script, ...args])) !== 0) failed++;
  }
  return failed;
}

if (import.meta.filename === process.argv[1]) {
  await runScript(async () => {
    checkTools();
    await ensureInstalled();
    return (await lint()) === 0 ? 0 : 1;
  });
}
