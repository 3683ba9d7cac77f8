import { createReadStream } from "node:fs";
import { statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { errorMessage, WiretailError } from "../../core/error.ts";
import { filteredCapture } from "../../packet/capture/bpf-filter.ts";
import { gunzipped } from "../../packet/capture/gunzip.ts";
import { OUTPUT_NAMES } from "../../packet/outputs.ts";
import { loadPipelineFile } from "../../runtime/config/pipeline-file.ts";
import { formatProblem } from "../../runtime/config/problems.ts";
import { StageChain } from "../../runtime/stage-chain.ts";
import { packetDefaults } from "../../sources/packet/options.ts";
import { howToCapture } from "../../sources/packet/how-to-capture.ts";
import { components } from "../components.ts";
import { bar, formatBytes, formatCount, paint, terminalOf, type Terminal } from "../terminal.ts";
import { Estimate, type Measured } from "./measure.ts";
import { estimateJson, estimateLines, type Disk } from "./view.ts";

/** What the command line says: see commands/estimate.ts. */
export interface EstimateOptions {
  readonly interface?: string;
  readonly seconds: number;
  readonly pipeline?: string;
  readonly filter?: string;
  readonly disk?: number;
  readonly json?: boolean;
  readonly color: boolean;
}

/** `wiretail estimate`. `file` is a capture instead of an interface. Resolves with the exit code. */
export async function runEstimate(file: string | undefined, options: EstimateOptions): Promise<number> {
  const chain = await chainOf(options.pipeline);
  if (chain === null) return 1;
  const estimate = new Estimate(OUTPUT_NAMES, hostname(), chain);
  const errors = terminalOf(process.stderr, process.env, !options.color);
  const measured =
    file === undefined ? await watchInterface(estimate, options, errors) : await readFile(file, estimate, options);
  chain?.close();
  const disk = await diskOf(options.disk);
  if (options.json === true) process.stdout.write(`${JSON.stringify(estimateJson(measured, disk), undefined, 2)}\n`);
  else {
    const terminal = terminalOf(process.stdout, process.env, !options.color);
    process.stdout.write(`${estimateLines(measured, disk, terminal).join("\n")}\n`);
  }
  const { end } = measured;
  if (file === undefined || end.kind === "complete") return 0;
  process.stderr.write(`${paint(errors, "red", "error:")} ${file}: ${end.message}\n`);
  return 1;
}

/** Null, with the faults printed, where the pipeline has some. */
async function chainOf(name: string | undefined): Promise<StageChain | undefined | null> {
  if (name === undefined) return undefined;
  const { pipeline, problems } = await loadPipelineFile(name, process.cwd(), components);
  if (pipeline !== undefined) return new StageChain(pipeline.stages, Date.now);
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
  return null;
}

async function readFile(file: string, estimate: Estimate, { filter }: EstimateOptions): Promise<Measured> {
  const input = file === "-" ? process.stdin : createReadStream(file);
  const plain = gunzipped(input);
  try {
    for await (const chunk of filter === undefined ? plain : filteredCapture(plain, filter)) {
      await estimate.take(chunk);
      if (estimate.isOver) break;
    }
  } catch (error) {
    if (error instanceof WiretailError) throw error;
    throw new WiretailError("WT_SOURCE_FAILED", `${file} cannot be read: ${errorMessage(error)}`);
  } finally {
    input.destroy();
  }
  return estimate.finish(undefined);
}

/** Captures for so many seconds, or until Ctrl-C, which is an early end and no fault. */
async function watchInterface(estimate: Estimate, options: EstimateOptions, terminal: Terminal): Promise<Measured> {
  const name = options.interface ?? "any";
  const capture = { ...packetDefaults(), ...(options.filter === undefined ? {} : { filter: options.filter }) };
  const { driver, start } = howToCapture(capture, name);
  let last = "";
  let remedy: string | undefined;
  let beganMs: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const child = start((line) => {
    if (driver.isListening(line)) {
      beganMs ??= Date.now();
      timer ??= setTimeout(() => child.stop(), options.seconds * 1000);
    } else if (!driver.isNoise(line) && driver.counts(line, { ...ZERO }) === undefined) {
      last = line;
      remedy = driver.remedy(line, name) ?? remedy;
    }
  });
  const stop = (): void => child.stop();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const progress = setInterval(() => drawProgress(estimate, beganMs, options.seconds, terminal), 250);
  try {
    for await (const chunk of child.stdout) await estimate.take(chunk);
  } finally {
    clearTimeout(timer);
    clearInterval(progress);
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
  const end = await child.ended;
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  if (beganMs === undefined)
    throw new WiretailError("WT_SOURCE_FAILED", `cannot capture on ${name}: ${last || `${driver.name} ${end.text}`}`, {
      ...(remedy === undefined ? {} : { hint: remedy }),
    });
  const seconds = Math.min(options.seconds, (Date.now() - beganMs) / 1000);
  return estimate.finish({ from: beganMs / 1000, seconds });
}

const ZERO = { captured: 0, received: undefined, droppedByKernel: 0, droppedByInterface: 0 };

/** Only on a terminal: a log file would be full of it. */
function drawProgress(estimate: Estimate, beganMs: number | undefined, seconds: number, terminal: Terminal): void {
  if (!process.stderr.isTTY || beganMs === undefined) return;
  const past = Math.min(seconds, (Date.now() - beganMs) / 1000);
  const left = Math.ceil(seconds - past);
  const sofar = `${formatCount(estimate.packets)} packets, ${formatBytes(estimate.bytes)}`;
  const text = `${bar(past / seconds, 30)} ${left} s left, ${sofar}`;
  process.stderr.write(`\r\u001b[K${text.slice(0, terminal.width - 1)}`);
}

async function diskOf(bytes: number | undefined): Promise<Disk> {
  if (bytes !== undefined) return { bytes, what: "--disk" };
  const { bavail, bsize } = await statfs(".");
  return { bytes: bavail * bsize, what: "free in this folder" };
}
