// npm run chaos: random faults against the built agent. `npm run chaos -- --help`.
import { spawn } from "node:child_process";
import path from "node:path";
import * as steps from "./steps.mjs";

await steps.runScript(async () => {
  const args = process.argv.slice(2);
  const isHelp = args.includes("--help") || args.includes("-h");
  process.env.PATH = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;
  steps.checkTools();
  await steps.ensureInstalled();
  if (!isHelp) await steps.step("system packages", "bash", [path.join(steps.ROOT, "scripts/install-test-deps.sh")]);
  await steps.ensureBuilt("all");
  const main = path.join(steps.ROOT, "dist/test/chaos/main.js");
  const child = spawn(process.execPath, [main, ...args], { cwd: steps.ROOT, stdio: "inherit" });
  // Ctrl-C goes to the runs too: they end in order, and so does this.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve) => child.once("close", (code) => resolve(code ?? 1)));
});
