import { readFileSync } from "node:fs";
import path from "node:path";

/**
 * The command of a checkout's launcher as its first line has it, with the Node that was asked for: another Node must not
 * change what is measured. The sub-command follows.
 */
export function launcherCommand(node: string, checkout = "."): string[] {
  const launcher = path.resolve(checkout, "bin/wiretail");
  const [first = ""] = readFileSync(launcher, "utf8").split("\n");
  const words = first.replace(/^#!\/usr\/bin\/env -S /, "").split(" ");
  return ["/usr/bin/env", ...words.map((word) => (word === "node" ? node : word)), launcher];
}
