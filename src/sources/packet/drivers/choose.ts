import { WiretailError } from "../../../core/error.ts";
import type { DRIVERS } from "../options.ts";
import { captureRemedy, MISSING_TCPDUMP, tcpdump } from "./tcpdump.ts";
import { dumpcap } from "./dumpcap.ts";
import type { Driver } from "./driver.ts";
import { findProgram } from "./find-program.ts";

/** The driver to capture with, its program by its path. Throws WiretailError with the remedy where there is none. */
export function chooseDriver(name: (typeof DRIVERS)[number], find: typeof findProgram = findProgram): Driver {
  const wanted = name === "auto" ? [tcpdump, dumpcap] : [tcpdump, dumpcap].filter((driver) => driver.name === name);
  for (const driver of wanted) {
    const path = find(driver.name);
    if (path === undefined) continue;
    return { ...driver, argv: (options, on) => [path, ...driver.argv(options, on).slice(1)] };
  }
  throw new WiretailError("WT_SOURCE_FAILED", wanted.length === 1 ? wanted[0]!.missing : MISSING_TCPDUMP);
}

/** Any program that writes a capture. */
export const COMMAND: Driver = {
  name: "the command",
  missing: "the command is not installed: its first word is no program in PATH",
  tellCounts: undefined,
  argv: () => [""],
  isListening: () => false,
  // Others than tcpdump may say the same words.
  counts: (line, before) => tcpdump.counts(line, before),
  isNoise: (line) => tcpdump.isNoise(line),
  remedy: (line) => (/permission|Operation not permitted/i.test(line) ? captureRemedy("tcpdump") : undefined),
};
