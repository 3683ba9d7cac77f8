import { existsSync } from "node:fs";
import type { Driver } from "../drivers/driver.ts";
import { tcpdump } from "../drivers/tcpdump.ts";
import type { PacketOptions } from "../options.ts";

/** Where the unit wiretail-capture@IF listens. */
export const DEFAULT_SOCKET = "/run/wiretail-capture/{interface}/capture.sock";

/** The service runs tcpdump and hands on what it says. */
export const SERVICE: Driver = {
  ...tcpdump,
  name: "capture service",
  missing: "the capture service's tcpdump is not installed",
  argv: () => ["tcpdump"],
  remedy: (line, interfaceName) =>
    /ENOENT|ECONNREFUSED/.test(line)
      ? `start it: systemctl enable --now wiretail-capture@${interfaceName}`
      : /EACCES/.test(line)
        ? "the agent's user has to be a member of the socket's group"
        : tcpdump.remedy(line, interfaceName),
};

/** The socket of the service that captures on an interface, where it shall be used. */
export function serviceSocket(
  { service_socket: given, driver }: Pick<PacketOptions, "service_socket" | "driver">,
  interfaceName: string,
): string | undefined {
  if (given !== undefined) return given.replaceAll("{interface}", interfaceName);
  if (driver === "dumpcap" || driver === "cap" || process.getuid?.() === 0) return undefined;
  const usual = DEFAULT_SOCKET.replaceAll("{interface}", interfaceName);
  return existsSync(usual) ? usual : undefined;
}
