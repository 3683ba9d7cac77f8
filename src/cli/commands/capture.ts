import { Command } from "commander";

interface CaptureOptions {
  interface: string;
  socket?: string;
}

/** `wiretail capture`: the capture service, the only part that needs a privilege. */
export function captureCommand(): Command {
  return new Command("capture")
    .summary("capture for an agent that runs without privileges")
    .description(
      "Listens on a unix socket and captures on one interface, by tcpdump, for each agent that connects: the source `packet` does so by itself. It needs CAP_NET_RAW and nothing else; the agent then needs no privilege at all. The unit wiretail-capture@.service runs it.",
    )
    .requiredOption("-i, --interface <name>", "the interface to capture on")
    .option(
      "--socket <path>",
      "where to listen (default: /run/wiretail-capture/INTERFACE/capture.sock); its owner and group may connect",
    )
    .addHelpText(
      "after",
      `
Examples:
  systemctl enable --now wiretail-capture@eth0
  sudo wiretail capture -i eth0 --socket /run/user/1000/eth0.sock

Exit codes: 0 stopped by SIGTERM or SIGINT; 1 it cannot listen, or there is no tcpdump`,
    )
    .action(async ({ interface: name, socket }: CaptureOptions) => {
      const [{ serveCaptures }, { DEFAULT_SOCKET }] = await Promise.all([
        import("../../sources/packet/service/server.ts"),
        import("../../sources/packet/service/driver.ts"),
      ]);
      const path = socket ?? DEFAULT_SOCKET.replaceAll("{interface}", name);
      const stopped = new Promise<void>((resolve) => {
        process.once("SIGTERM", () => resolve()).once("SIGINT", () => resolve());
      });
      const server = await serveCaptures(name, path);
      process.stderr.write(`captures on ${name} for agents that connect to ${path}\n`);
      await stopped;
      await server.close();
    });
}
