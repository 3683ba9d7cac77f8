import { WiretailError } from "../../../core/error.ts";
import type { DRIVERS } from "../options.ts";
import { findCapPackage } from "./cap/addon.ts";
import { cap } from "./cap/driver.ts";
import { captureRemedy, MISSING_TCPDUMP, tcpdump } from "./tcpdump.ts";
import { dumpcap } from "./dumpcap.ts";
import type { Driver } from "./driver.ts";
import { findProgram } from "./find-program.ts";

/** In the order in which `auto` tries them. */
const ALL: readonly Driver[] = [tcpdump, dumpcap, cap];

/** The driver to capture with, its program by its path. Throws WiretailError with the remedy where there is none. */
export function chooseDriver(name: (typeof DRIVERS)[number], find: typeof findDriver = findDriver): Driver {
  const wanted = name === "auto" ? ALL : ALL.filter((driver) => driver.name === name);
  for (const driver of wanted) {
    const path = find(driver.name);
    if (path === undefined) continue;
    // The package's program is ours, and Node runs it.
    if (driver === cap) return cap;
    return { ...driver, argv: (options, on) => [path, ...driver.argv(options, on).slice(1)] };
  }
  throw new WiretailError("WT_SOURCE_FAILED", wanted.length === 1 ? wanted[0]!.missing : MISSING_TCPDUMP);
}

function findDriver(name: string): string | undefined {
  return name === cap.name ? findCapPackage() : findProgram(name);
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
