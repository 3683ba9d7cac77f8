import { Command, InvalidArgumentError } from "commander";
import type { EstimateOptions } from "../estimate/run-estimate.ts";

/** `wiretail estimate`: what logging packets will cost. */
export function estimateCommand(): Command {
  return new Command("estimate")
    .summary("measure what capturing everything would cost, before you start")
    .description(
      "Captures for three minutes (or reads a capture file) and says how much there is: packets and bytes a second, the quietest and the busiest minute, who talks most, and what storing it takes, as pcap and as the events of each output, raw and compressed (really compressed), with how long a disk lasts. Nothing is kept.",
    )
    .argument("[file]", "a capture to read instead; - is standard input")
    .option("-i, --interface <name>", "the interface to capture on (default: any)")
    .option("--seconds <n>", "how long", positive, 180)
    .option("--filter <bpf>", "only packets that this filter of tcpdump lets through")
    .option("--pipeline <name>", "the events as this pipeline leaves them: a file, or a shipped one")
    .option("--disk <size>", "the disk to fill, like 500GB (default: what is free in this folder)", diskSize)
    .option("--json", "print everything as one JSON object")
    .option("--no-color", "no colours")
    .addHelpText(
      "after",
      `
Examples:
  wiretail estimate -i eth0
  wiretail estimate -i eth0 --seconds 600 --filter 'not port 22' --disk 2TB
  wiretail estimate capture.pcap.gz --json

Exit codes: 0 fine, also when it was ended early by Ctrl-C; 1 nothing can be captured, or the file is cut or malformed; 2 wrong use`,
    )
    .action(async (file: string | undefined, options: EstimateOptions, command: Command) => {
      if (file !== undefined && options.interface !== undefined)
        command.error("error: FILE and --interface exclude each other", { exitCode: 2 });
      const { runEstimate } = await import("../estimate/run-estimate.ts");
      process.exitCode = await runEstimate(file, options);
    });
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 604_800)) throw new InvalidArgumentError("expected a number of seconds, at most a week");
  return value;
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

function diskSize(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?$/i.exec(text) ?? [];
  const bytes = Number(number) * (UNITS[unit.toLowerCase()] ?? NaN);
  if (number === "" || !(bytes > 0)) throw new InvalidArgumentError("expected a size like 500GB or 2TiB");
  return bytes;
}
