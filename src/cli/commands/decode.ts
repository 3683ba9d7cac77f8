import { Command, InvalidArgumentError, Option } from "commander";
import type { DecodeOptions } from "../decode-capture.ts";

/** `wiretail decode`: what a capture file holds. */
export function decodeCommand(): Command {
  const command = new Command("decode")
    .summary("show what a packet capture holds")
    .description(
      "Reads a capture (pcap or pcapng, also compressed by gzip) and prints its packets, its flows (conversations), its transactions (questions and answers) or its rates by protocol, one a line: as a table, or with --json as the events that would be shipped.",
    )
    .argument("<file>", "the capture; - is standard input")
    .addOption(
      new Option("--output <what>", "what to print")
        .choices(["packets", "flows", "transactions", "stats"])
        .default("packets"),
    )
    .option("--filter <bpf>", "read only packets that this filter of tcpdump lets through; needs tcpdump")
    .option("--where <kql>", "print only those for which this KQL query is true")
    .option("--show-credentials", "do not redact passwords, tokens and cookies of HTTP")
    .option("--json", "print events, one nested JSON object a line")
    .option("--packet <number>", "show this packet's fields, where each lies and its bytes", parseCount)
    .option("--limit <count>", "stop after printing so many", parseCount)
    .option("--utc", "show times in UTC instead of local time")
    .option("-n", "accepted for the habit of tcpdump: addresses and ports are numbers in any case")
    .option("--no-color", "no colours")
    .addHelpText(
      "after",
      `
Examples:
  wiretail decode capture.pcapng
  wiretail decode capture.pcap.gz --where 'destination.port: 443 and tcp.flags: syn'
  wiretail decode capture.pcap --packet 7
  wiretail decode capture.pcap --output flows --filter 'host 10.0.0.1 and tcp'
  wiretail decode capture.pcap --output transactions --where 'type: http and http.response.status_code >= 400'
  tcpdump -i eth0 -w - | wiretail decode - --json
  ssh host tcpdump -U -w - not port 22 | wiretail decode -

Exit codes: 0 fine, also when nothing matches; 1 the input cannot be read, is cut, malformed or no capture (after printing what it held); 2 wrong use, a query that does not parse, or a filter that tcpdump refuses`,
    );
  return command.action(async (file: string, options: DecodeOptions) => {
    if (file === "-" && process.stdin.isTTY)
      command.error("error: FILE is -, and standard input is a terminal", { exitCode: 2 });
    if (
      options.packet !== undefined &&
      (options.output !== "packets" || (options.where ?? options.limit) !== undefined)
    )
      command.error("error: --packet shows one packet: without --output, --where and --limit", { exitCode: 2 });
    const { runDecode } = await import("../decode-capture.ts");
    process.exitCode = await runDecode(file, options);
  });
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("expected a whole number above 0");
  return Number(text);
}
