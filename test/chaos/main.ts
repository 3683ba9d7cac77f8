// The chaos runs by hand: `npm run chaos -- --help`.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { installCopy } from "../support/installed-copy.ts";
import { startElasticsearch, type ElasticsearchVersion } from "../support/servers/elasticsearch.ts";
import { startMoto } from "../support/servers/moto.ts";
import { drawPlan, FAULT_KINDS, kindsOf } from "./plan.ts";
import { runText, summaryOf, summaryText } from "./report.ts";
import { cannotRun, chaosRun, type ChaosRunResult } from "./run.ts";

const USAGE = `npm run chaos -- [options]      random faults against the built agent; as root

  --runs N         how many runs (1)
  --seed S         of the first run; the next ones have S + 1, S + 2 … (random)
  --seconds N      how long faults begin in a run (40)
  --es 8|9|both    Elasticsearch 8.19, 9.5, or half of the runs with each (both; 8 for a single run)
  --kinds a,b      draw only from these kinds (all)
  --json           results as JSON, a line a run, on standard output
  --keep-going     go on after a run with a breach

Kinds: ${FAULT_KINDS.map(({ name }) => name).join(" ")}
The exit code is 1 when anything was missing, doubled, or not as promised. CONTRIBUTING.md says how to read what is printed.
`;

const VERSIONS: Record<string, readonly ElasticsearchVersion[]> = {
  "8": ["8.19.21"],
  "9": ["9.5.3"],
  both: ["8.19.21", "9.5.3"],
};

interface SeededResult extends ChaosRunResult {
  readonly seed: number;
  readonly version: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      ...{ runs: { type: "string" }, seed: { type: "string" }, seconds: { type: "string" }, es: { type: "string" } },
      ...{
        kinds: { type: "string" },
        json: { type: "boolean" },
        "keep-going": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const reason = cannotRun();
  if (reason !== undefined) throw new Error(reason);
  const runs = numberOf("runs", values.runs ?? "1");
  const seconds = numberOf("seconds", values.seconds ?? "40");
  const firstSeed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : numberOf("seed", values.seed);
  const versions = VERSIONS[values.es ?? (runs === 1 ? "8" : "both")];
  if (versions === undefined) throw new Error(`--es takes 8, 9 or both, not "${values.es ?? ""}"`);
  const kinds = kindsOf(values.kinds?.split(",").filter(Boolean) ?? []);
  const say = (text: string): void => void (values.json === true ? process.stderr : process.stdout).write(text + "\n");
  const results: SeededResult[] = [];
  const copy = await mkdtemp(join(tmpdir(), "wiretail-chaos-agent-"));
  const stop = new AbortController();
  process.once("SIGINT", () => {
    say("ends after this run");
    stop.abort();
  });
  const moto = await startMoto();
  try {
    await chmod(copy, 0o755);
    const launcher = await installCopy(join(copy, "app"));
    for (const [turn, version] of versions.entries()) {
      const elasticsearch = await startElasticsearch({ version });
      try {
        for (let i = 0; i < runs; i++) {
          if (i % versions.length !== turn || stop.signal.aborted) continue;
          const seed = firstSeed + i;
          say(`run ${results.length + 1} of ${runs}: seed ${seed}, Elasticsearch ${version}`);
          const plan = drawPlan(seed, seconds, kinds);
          const result = await chaosRun({
            ...{ seed, seconds, plan, elasticsearch, launcher, log: say },
            cloudwatchUrl: moto.url,
          });
          results.push({ ...result, seed, version });
          if (values.json === true) process.stdout.write(JSON.stringify({ seed, version, ...result }) + "\n");
          say(runText(result));
          if (result.breaches.length > 0) {
            const only = values.kinds === undefined ? "" : ` --kinds ${values.kinds}`;
            say(`again: npm run chaos -- --seed ${seed} --seconds ${seconds} --es ${version.split(".")[0]!}${only}`);
            if (values["keep-going"] !== true) stop.abort();
          }
        }
      } finally {
        await elasticsearch.stop();
      }
    }
  } finally {
    await moto.stop();
    await rm(copy, { recursive: true, force: true });
  }
  say(summaryText(summaryOf(results)));
  return results.some(({ breaches }) => breaches.length > 0) || results.length < runs ? 1 : 0;
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} takes a whole number, not "${text}"`);
  return value;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
