import { CaptureChild, type CaptureProcess } from "./child.ts";
import { chooseDriver } from "./drivers/choose.ts";
import type { Driver } from "./drivers/driver.ts";
import type { PacketOptions } from "./options.ts";
import { ServiceCapture } from "./service/client.ts";
import { SERVICE, serviceSocket } from "./service/driver.ts";

/** By the capture service where one is there for the interface, else by a program of our own. */
export function howToCapture(
  options: PacketOptions,
  name: string,
): { readonly driver: Driver; readonly start: (onLine: (line: string) => void) => CaptureProcess } {
  const socket = serviceSocket(options, name);
  if (socket !== undefined) {
    return { driver: SERVICE, start: (onLine) => new ServiceCapture(socket, options, onLine) };
  }
  const driver = chooseDriver(options.driver);
  const argv = driver.argv(options, name);
  return { driver, start: (onLine) => new CaptureChild(argv, onLine, driver.tellCounts) };
}
