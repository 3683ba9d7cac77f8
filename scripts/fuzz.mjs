// npm run fuzz: the fuzz tests of `npm test`, for as long as you like. `npm run fuzz -- --help`.
import { spawn } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";
import * as steps from "./steps.mjs";

const HELP = `npm run fuzz: looks for input that breaks a decoder, a parser, or the loader of configurations.

  npm run fuzz                            every fuzz test, 5 minutes each, two at a time
  npm run fuzz -- --seconds 3600 journal  those whose file name contains "journal", an hour each
  npm run fuzz -- --frames 10000000 frames
                                          so many random frames, however long that takes

What was found is printed smallest first, with the seed and path that give it again.
`;

await steps.runScript(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: "boolean", short: "h" },
      seconds: { type: "string", default: "300" },
      frames: { type: "string" },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!(Number(values.seconds) > 0))
    throw new steps.StepError(`--seconds ${values.seconds}: a number above 0 is needed`);
  if (values.frames !== undefined && !(Number(values.frames) > 0))
    throw new steps.StepError(`--frames ${values.frames}: a number above 0 is needed`);
  steps.checkTools();
  await steps.ensureInstalled();
  await steps.ensureBuilt("all");
  const files = steps
    .filesBelow(path.join(steps.ROOT, "test/fuzz"), ".test.ts")
    .filter((file) => positionals.length === 0 || positionals.some((name) => path.basename(file).includes(name)))
    .map((file) => path.join("dist", path.relative(steps.ROOT, file).replace(/\.ts$/, ".js")));
  if (files.length === 0) throw new steps.StepError(`no file of test/fuzz has a name with ${positionals.join(" or ")}`);
  const child = spawn(process.execPath, ["--test", "--test-concurrency=2", "--test-reporter=spec", ...files], {
    cwd: steps.ROOT,
    stdio: "inherit",
    env: {
      ...process.env,
      WIRETAIL_FUZZ_SECONDS: values.seconds,
      ...(values.frames === undefined ? {} : { WIRETAIL_FUZZ_FRAMES: values.frames }),
    },
  });
  return new Promise((resolve) => child.once("close", (code) => resolve(code ?? 1)));
});
