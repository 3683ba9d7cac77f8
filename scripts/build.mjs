// npm run build: compiles what is shipped into dist/. `--all` compiles the tests and benches too.
import { build, checkTools, ensureInstalled, runScript } from "./steps.mjs";

await runScript(async () => {
  checkTools();
  await ensureInstalled();
  await build(process.argv.includes("--all") ? "all" : "product");
});
