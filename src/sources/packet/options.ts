import { createHash } from "node:crypto";
import { t, type Infer, type Schema } from "../../core/schema.ts";
import { capFaults } from "./drivers/cap/faults.ts";
import { OUTPUT_NAMES, PACKET_OUTPUTS, type OutputName } from "../../packet/outputs.ts";

export const DRIVERS = ["auto", "tcpdump", "dumpcap", "cap"] as const;

/** The options of each output under its name: `"packets": { … }`. */
const outputOptions = Object.fromEntries(
  OUTPUT_NAMES.map((name) => {
    const { summary } = PACKET_OUTPUTS[name];
    const schema: Schema<unknown> = PACKET_OUTPUTS[name].schema;
    const description = `Options of the output \`${name}\` (${summary}).`;
    return [name, t.optional({ ...schema, description })];
  }),
) as { [N in OutputName]: ReturnType<typeof t.optional<unknown>> };

export const packetOptions = t.object({
  interfaces: t.optional(
    t.array(t.string({ minLength: 1, maxLength: 64 }), {
      minItems: 1,
      uniqueItems: true,
      description:
        "Interfaces to capture on, by name; `any` is all of them (without VLAN tags and destination MACs). `wiretail interfaces` lists them.",
      examples: [["eth0"], ["any"]],
    }),
  ),
  files: t.optional(
    t.array(t.string({ minLength: 1, "x-syntax": "glob" }), {
      minItems: 1,
      description:
        "Capture files (pcap or pcapng, also compressed by gzip), by name or glob. Each is read once, when it is complete.",
      examples: [["/var/log/captures/*.pcap*"]],
    }),
  ),
  stdin: t.optional(t.boolean({ description: "Read a capture from standard input." })),
  command: t.optional(
    t.array(t.string(), {
      minItems: 1,
      description:
        "A program that writes a capture to its standard output, and its arguments, each for itself. It is started again when it ends.",
      examples: [["ssh", "gateway", "tcpdump", "-i", "eth1", "-U", "-w", "-", "not port 22"]],
    }),
  ),
  outputs: t.array(t.enum(OUTPUT_NAMES), {
    default: [OUTPUT_NAMES[0]],
    minItems: 1,
    uniqueItems: true,
    description:
      "What is made of the packets: " +
      OUTPUT_NAMES.map((name) => `\`${name}\`: ${PACKET_OUTPUTS[name].summary}`).join("; ") +
      ". Any combination.",
  }),
  ...outputOptions,
  filter: t.optional(
    t.string({
      minLength: 1,
      description:
        "Which packets to take, in the language of tcpdump (BPF). Applied where they are captured; files and standard input are filtered by tcpdump.",
      examples: ["not port 22", "udp port 53 or tcp port 443"],
    }),
  ),
  driver: t.enum(DRIVERS, {
    default: "auto",
    description:
      "What captures: `tcpdump` (kernel time stamps, exact counts of what was dropped), `dumpcap` (counts only when it ends), or `cap`, a package of npm that brings libpcap into a process of Wiretail's own (times from that process, drops estimated). `auto`: the first of these that is installed.",
  }),
  service_socket: t.optional(
    t.string({
      minLength: 1,
      "x-syntax": "path",
      description:
        "The unix socket of the capture service, which captures for an agent without privileges; `{interface}` in it becomes the interface's name. Default: `/run/wiretail-capture/{interface}/capture.sock`, where that is there and the agent is not root.",
    }),
  ),
  snap_length: t.integer({
    default: 262_144,
    minimum: 64,
    maximum: 262_144,
    description: "Bytes kept of each packet. Less saves work; what was cut cannot be decoded.",
  }),
  promiscuous: t.boolean({
    default: true,
    description: "Take packets that are not for this host, too. Given back when the capture ends. `any` never is.",
  }),
  buffer_bytes: t.integer({
    default: 16_777_216,
    minimum: 262_144,
    maximum: 1_073_741_824,
    description: "The kernel's buffer for each interface: more of it holds longer bursts without drops.",
  }),
  exclude_own: t.boolean({
    default: true,
    description:
      "Leave out the packets of the agent's own connections to its sinks (counted): they would be captured, sent, and captured again. Other programs' connections to the same servers are kept.",
  }),
  count_interval_seconds: t.integer({
    default: 60,
    minimum: 1,
    maximum: 86_400,
    description:
      "How often an event with the counts of each interface is made: what was seen, decoded and dropped (`event.kind: metric`). For live captures.",
  }),
  restart_max_delay_ms: t.integer({
    default: 60_000,
    minimum: 100,
    maximum: 86_400_000,
    description:
      "A capturing program that ends is started again after a second, then after about twice as long each time, up to this. In milliseconds.",
  }),
  settle_seconds: t.number({
    default: 10,
    minimum: 0,
    maximum: 86_400,
    description:
      "A capture file is complete when it was not written to for so long; with `run --once` all are. In seconds.",
  }),
  poll_interval_seconds: t.number({
    default: 5,
    minimum: 0.1,
    maximum: 86_400,
    description: "How often new capture files are looked for, in seconds.",
  }),
});
export type PacketOptions = Infer<typeof packetOptions>;

/** The options where nothing is said, for captures that no configuration is behind. */
export function packetDefaults(): PacketOptions {
  return {
    ...{ outputs: ["packets"], driver: "auto", snap_length: 262_144, promiscuous: true, buffer_bytes: 16_777_216 },
    ...{ exclude_own: true, count_interval_seconds: 60, restart_max_delay_ms: 60_000 },
    ...{ settle_seconds: 10, poll_interval_seconds: 5 },
  };
}

const INPUTS = ["interfaces", "files", "stdin", "command"] as const;

/** What `check` says beyond the schema: JSON pointer and message. */
export function optionFaults(options: PacketOptions): readonly (readonly [pointer: string, message: string])[] {
  const faults: [string, string][] = [];
  const given = INPUTS.filter((name) => options[name] !== undefined && options[name] !== false);
  if (given.length !== 1)
    faults.push([
      given.length === 0 ? "" : `/${given[1]!}`,
      `needs exactly one of ${INPUTS.map((name) => `"${name}"`).join(", ")}${given.length === 0 ? "" : `; it has ${given.join(" and ")}`}`,
    ]);
  for (const name of OUTPUT_NAMES)
    if (options[name] !== undefined && !options.outputs.includes(name))
      faults.push([`/${name}`, `options of an output that is not made: add "${name}" to "outputs"`]);
  if (options.interfaces === undefined) faults.push(...notLive(options));
  else faults.push(...ofInterfaces(options));
  return faults;
}

/** Options of live captures, with the values that say nothing. */
function notLive(options: PacketOptions): [string, string][] {
  const fromElsewhere = "only a capture on interfaces can do that: what is read here was captured already";
  const faults: [string, string][] = [];
  if (options.driver !== "auto") faults.push(["/driver", fromElsewhere]);
  if (options.snap_length !== 262_144) faults.push(["/snap_length", fromElsewhere]);
  if (!options.promiscuous) faults.push(["/promiscuous", fromElsewhere]);
  if (options.buffer_bytes !== 16_777_216) faults.push(["/buffer_bytes", fromElsewhere]);
  if (options.service_socket !== undefined) faults.push(["/service_socket", fromElsewhere]);
  if (options.command !== undefined && options.filter !== undefined)
    faults.push(["/filter", "the command itself has to filter: put the expression among its arguments"]);
  return faults;
}

function ofInterfaces(options: PacketOptions): [string, string][] {
  const { interfaces } = options;
  const faults = options.driver === "cap" ? capFaults(options) : [];
  for (const [i, name] of interfaces!.entries())
    if (name.startsWith("-")) faults.push([`/interfaces/${i}`, `"${name}" is no name of an interface`]);
  if (interfaces!.includes("any") && interfaces!.length > 1)
    faults.push(["/interfaces", `"any" takes in the others: each packet would be there twice`]);
  return faults;
}

/** What decides which documents an output makes of a capture: with other such options their numbers mean others. */
export function orderKeyOf(options: PacketOptions, name: OutputName): string {
  const own: unknown = options[name];
  // Of each packet there is one document, whatever is in it.
  const key = name === "packets" ? [options.filter] : [options.filter, own];
  return createHash("sha256").update(JSON.stringify(key)).digest("base64url");
}
