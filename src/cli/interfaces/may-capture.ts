import { existsSync } from "node:fs";
import { CaptureChild } from "../../sources/packet/child.ts";
import { chooseDriver } from "../../sources/packet/drivers/choose.ts";
import { packetDefaults } from "../../sources/packet/options.ts";
import { DEFAULT_SOCKET } from "../../sources/packet/service/driver.ts";
import { errorMessage } from "../../core/error.ts";
import type { NetworkInterface } from "./list.ts";

/** Whether this user may capture on an interface, by what, and what to do where not. */
export interface MayCapture {
  readonly ok: boolean;
  /** The program, or `capture service`. */
  readonly by: string | undefined;
  readonly remedy: string | undefined;
}

const TRY_MS = 3000;

/** Finds out by trying: for a moment a capture is begun on each, all at the same time. */
export function tryCaptures(interfaces: readonly NetworkInterface[]): Promise<MayCapture[]> {
  return Promise.all(interfaces.map(({ name, state }) => tryCapture(name, state)));
}

async function tryCapture(name: string, state: NetworkInterface["state"]): Promise<MayCapture> {
  if (process.getuid?.() !== 0 && existsSync(DEFAULT_SOCKET.replaceAll("{interface}", name)))
    return { ok: true, by: "capture service", remedy: undefined };
  if (state === "down") return { ok: false, by: undefined, remedy: `it is down: ip link set ${name} up` };
  let remedy = "";
  for (const program of ["tcpdump", "dumpcap", "cap"] as const) {
    let driver;
    try {
      driver = chooseDriver(program);
    } catch (error) {
      remedy ||= errorMessage(error);
      continue;
    }
    const fault = await begin(name, driver);
    if (fault === undefined) return { ok: true, by: program, remedy: undefined };
    remedy ||= fault;
  }
  return { ok: false, by: undefined, remedy };
}

/** Undefined when it captures, otherwise what is wrong. */
async function begin(name: string, driver: ReturnType<typeof chooseDriver>): Promise<string | undefined> {
  // Not promiscuous: nobody shall see that somebody looked.
  const options = { ...packetDefaults(), promiscuous: false, buffer_bytes: 262_144, snap_length: 64 };
  let last = "it does not begin to capture";
  let remedy: string | undefined;
  let isListening = false;
  const child = new CaptureChild(driver.argv(options, name), (line) => {
    if (driver.isListening(line)) {
      isListening = true;
      child.stop();
    } else if (!isListening && !driver.isNoise(line)) {
      last = line;
      remedy = driver.remedy(line, name) ?? remedy;
    }
  });
  const timer = setTimeout(() => child.stop(), TRY_MS);
  for await (const _ of child.stdout);
  await child.ended;
  clearTimeout(timer);
  return isListening ? undefined : (remedy ?? last);
}
