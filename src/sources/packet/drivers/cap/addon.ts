import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The version that this was written for and tested with. */
export const CAP_VERSION = "0.2.1";

/** What of the package is used. Its decoders never: a packet with IPv6's next header 50 has them loop for ever. */
export interface CapAddon {
  readonly Cap: new () => CapHandle;
}

export interface CapHandle {
  /**
   * Begins to capture, each packet into `buffer`, of which it keeps the bare address: whoever calls has to hold on to it
   * until after `close`. `bufferBytes`: the kernel's. Returns the link type's name. Throws what libpcap says.
   */
  open(device: string, filter: string, bufferBytes: number, buffer: Buffer): string;
  on(event: "packet", listener: (length: number) => void): void;
  close(): boolean;
}

const require = createRequire(import.meta.url);

/** The path of the installed package's main file, or undefined. */
export function findCapPackage(): string | undefined {
  try {
    return require.resolve("cap");
  } catch {
    return undefined;
  }
}

/** Loads it. Throws where it was not built, or for another Node. */
export function loadCap(): CapAddon {
  return require("cap") as CapAddon;
}

/** How the package is installed where Wiretail looks for it. */
export function capRemedy(root = installedAt()): string {
  const parent = dirname(root);
  const isGlobal = basename(parent) === "node_modules" && basename(dirname(parent)) === "lib";
  const install = isGlobal
    ? `npm install -g cap@${CAP_VERSION}`
    : basename(parent) === "node_modules"
      ? `cd ${dirname(parent)} && npm install cap@${CAP_VERSION}`
      : `cd ${root} && npm install --no-save cap@${CAP_VERSION}`;
  return `${install} (it is compiled then; Debian, Ubuntu: apt-get install g++ make python3 libpcap-dev)`;
}

/** The folder of this installation: `dist/src/sources/packet/drivers/cap` is in it. */
function installedAt(): string {
  return join(dirname(fileURLToPath(import.meta.url)), "../../../../../..");
}
