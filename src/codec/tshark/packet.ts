import { WiretailError } from "../../core/error.ts";
import { dhcpFields } from "./dhcp.ts";
import { dnsFields } from "./dns.ts";
import { layersOf, type Layer } from "./layers.ts";
import { isPairs, readPairs, type Pairs } from "./pairs.ts";
import { ecsMac, exactTime, given, intOf } from "./values.ts";

/** IP protocols by name, as tshark and ECS call them. */
const TRANSPORTS: Readonly<Record<string, readonly [transport: string, number: string]>> = {
  icmp: ["icmp", "1"],
  igmp: ["igmp", "2"],
  tcp: ["tcp", "6"],
  udp: ["udp", "17"],
  gre: ["gre", "47"],
  esp: ["esp", "50"],
  ah: ["ah", "51"],
  icmpv6: ["ipv6-icmp", "58"],
  sctp: ["sctp", "132"],
};
const BY_NUMBER = new Map(Object.values(TRANSPORTS).map(([name, number]) => [number, name]));
const PORTS = ["tcp", "udp", "sctp"];
const TCP_FLAGS = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae"];
const WANTED: ReadonlySet<string> = new Set([
  ...["frame", "eth", "sll", "vlan", "ieee8021ad", "arp", "ip", "ipv6", "tcp", "udp", "sctp", "icmp", "icmpv6"],
  ...["dns", "mdns", "llmnr", "dhcp", "bootp", "http", "tls", "ssl", "communityid"],
]);

/** Names of layers that tshark changed in version 3. */
const NEW_NAMES = { bootp: "dhcp", ssl: "tls" };
const OLD_NAMES = { dhcp: "bootp", tls: "ssl" };

/**
 * Reads a record of tshark: one of `-T json` (`{"_source":{"layers":{…}}}`, perhaps with what stands around it in the
 * list: `[`, `,`, `]`), or a line of `-T ek`. Undefined for what is no packet: those brackets alone, and the lines of
 * `-T ek` that name an index. Throws WT_FORMAT_INVALID.
 */
export function readTshark(text: string): TsharkRecord | undefined {
  const from = /^[\s,[\]]*/.exec(text)![0].length;
  if (from === text.length) return undefined;
  const { pairs, end } = readPairs(text, from);
  if (/[^\s,\]]/.test(text.slice(end, end + 1000))) {
    throw new WiretailError("WT_FORMAT_INVALID", `has something behind its end, at character ${end + 1}`);
  }
  const source = member(pairs, "_source");
  const layers = member(isPairs(source) ? source : pairs, "layers");
  if (isPairs(layers)) {
    const time = member(pairs, "timestamp");
    return { layers, timestamp: typeof time === "string" ? time : undefined };
  }
  if (pairs.names[0] === "index" && pairs.names.length === 1) return undefined;
  throw new WiretailError("WT_FORMAT_INVALID", 'is no record of tshark: it has no "layers"');
}

export interface TsharkRecord {
  readonly layers: Pairs;
  /** Of `-T ek`: milliseconds since the epoch. */
  readonly timestamp: string | undefined;
}

function member(pairs: Pairs, name: string): Pairs["values"][number] | undefined {
  const at = pairs.names.indexOf(name);
  return at < 0 ? undefined : pairs.values[at];
}

/**
 * A record as the event that our own decoders make of the packet (docs/packets.md): nested objects, `@timestamp` in
 * milliseconds; what is undefined is absent. `legacyNames`: layers as tshark called them before version 3.
 */
export function packetFields(record: TsharkRecord, legacyNames: boolean): Record<string, unknown> {
  const layers = layersOf(record.layers, WANTED);
  const one = (name: string): Layer | undefined => layers.get(name)?.[0];
  const frame = one("frame");
  const protocols = frame?.first("frame_protocols");
  const names = protocols?.split(":").map((name) => (NEW_NAMES as Record<string, string>)[name] ?? name) ?? [];
  const time =
    exactTime(frame?.first("frame_time_epoch")) ??
    exactTime(frame?.first("frame_time_utc")) ??
    exactTime(frame?.first("frame_time"));
  const length = intOf(frame?.first("frame_len"));
  const ip = ipFields(layers, names);
  const link = one("eth");
  const [source, destination] = (["src", "dst"] as const).map((side) =>
    given({
      ip: oneOrEnds(ip.layers.map((each) => each.first(`${ip.prefix(each)}_${side}`))),
      port: oneOrEnds(ip.ports.map(([layer, name]) => intOf(layer.first(`${name}_${side}port`)))),
      mac: ecsMac(link?.first(`eth_${side}`) ?? (side === "src" ? one("sll")?.first("sll_src_eth") : undefined)),
      // Where tshark was told to resolve names.
      domain: resolved(ip.layers[0], ip.layers[0] === undefined ? "" : ip.prefix(ip.layers[0]), side),
    }),
  );
  const vlans = [...(layers.get("ieee8021ad") ?? []), ...(layers.get("vlan") ?? [])].flatMap((layer) => [
    ...layer.all("ieee8021ad_id"),
    ...layer.all("vlan_id"),
  ]);
  // Tags inside of a tunnel are not those of the wire.
  const firstIp = names.findIndex((name) => name === "ip" || name === "ipv6");
  const onWire = firstIp < 0 ? names : names.slice(0, firstIp);
  if (names.length > 0) vlans.splice(onWire.filter((name) => name === "vlan" || name === "ieee8021ad").length);
  const named = ["dns", "mdns", "llmnr", "dhcp", "http", "tls"].filter((name) => layers.has(name));
  const interfaceName = frame?.first("frame_interface_name");
  const http = one("http");
  // One literal: spreads in it took two thirds of the time of a record.
  return {
    "@timestamp": time?.ms ?? intOf(record.timestamp),
    event: { kind: "event", category: ["network"], type: ["info"], dataset: "packet" },
    frame: given({
      number: intOf(frame?.first("frame_number")),
      time: time?.iso,
      len: length,
      cap_len: intOf(frame?.first("frame_cap_len")),
      protocols: protocols === undefined ? undefined : spelled(names, legacyNames),
    }),
    source,
    destination,
    network: given({
      type: ip.type ?? (layers.has("arp") ? "arp" : undefined),
      transport: ip.transport,
      iana_number: ip.number,
      protocol: named[0],
      bytes: length,
      community_id: one("communityid")?.first("communityid_communityid"),
      vlan: vlans.length === 0 ? undefined : { id: vlans[0] },
      inner: vlans.length < 2 ? undefined : { vlan: { id: vlans.at(-1) } },
    }),
    ip: ip.fields,
    tcp: tcpFields(ip.ports),
    udp: udpFields(ip.ports),
    icmp: icmpFields(one("icmp"), 4) ?? icmpFields(one("icmpv6"), 6),
    arp: arpFields(one("arp")),
    dns: dnsFields(one("dns") ?? one("mdns") ?? one("llmnr") ?? NOTHING),
    dhcpv4: dhcpFields(one("dhcp") ?? NOTHING),
    http: http === undefined ? undefined : httpFields(http),
    url: http === undefined ? undefined : urlFields(http),
    user_agent: http === undefined ? undefined : given({ original: http.first("http_user_agent") }),
    tls: tlsFields(layers.get("tls") ?? []),
    observer: interfaceName === undefined ? undefined : { ingress: { interface: { name: interfaceName } } },
  };
}

const NOTHING = { first: () => undefined, all: () => [] } as unknown as Layer;

function spelled(names: readonly string[], legacyNames: boolean): string {
  if (!legacyNames) return names.join(":");
  return names.map((name) => (OLD_NAMES as Record<string, string>)[name] ?? name).join(":");
}

/** The value, or in tunnels the first and the last one. */
function oneOrEnds<T>(values: readonly (T | undefined)[]): T | readonly T[] | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length < 2 ? known[0] : [known[0]!, known.at(-1)!];
}

function resolved(layer: Layer | undefined, prefix: string, side: "src" | "dst"): string | undefined {
  const host = layer?.first(`${prefix}_${side}_host`);
  return host === layer?.first(`${prefix}_${side}`) ? undefined : host;
}

interface IpParts {
  /** Of the packet itself, the outermost first; not those that an ICMP message quotes. */
  readonly layers: readonly Layer[];
  prefix(layer: Layer): "ip" | "ipv6";
  readonly ports: readonly (readonly [layer: Layer, name: string])[];
  readonly type: "ipv4" | "ipv6" | undefined;
  readonly transport: string | undefined;
  readonly number: string | undefined;
  readonly fields: Record<string, unknown> | undefined;
}

function ipFields(layers: ReadonlyMap<string, readonly Layer[]>, names: readonly string[]): IpParts {
  // What comes behind ICMP is a quotation.
  const quotation = names.findIndex((name) => name === "icmp" || name === "icmpv6");
  const own = quotation < 0 ? names : names.slice(0, quotation + 1);
  const isKnown = own.some((name) => name === "ip" || name === "ipv6");
  const order = isKnown ? own : ["ip", "ipv6", ...PORTS];
  const taken = new Map<string, number>();
  const v6 = new Set<Layer>();
  const found: Layer[] = [];
  const ports: (readonly [Layer, string])[] = [];
  for (const name of order) {
    if (name !== "ip" && name !== "ipv6" && !PORTS.includes(name)) continue;
    const at = taken.get(name) ?? 0;
    taken.set(name, at + 1);
    const layer = layers.get(name)?.[at];
    if (layer === undefined) continue;
    if (PORTS.includes(name)) ports.push([layer, name]);
    else {
      found.push(layer);
      if (name === "ipv6") v6.add(layer);
    }
  }
  const inner = found.at(-1);
  const prefix = (layer: Layer): "ip" | "ipv6" => (v6.has(layer) ? "ipv6" : "ip");
  const transport = own.findLast((name) => TRANSPORTS[name] !== undefined);
  const said = inner === undefined ? undefined : protocolNumber(inner, prefix(inner));
  const isPiece = said !== undefined && transport === undefined;
  return {
    layers: found,
    prefix,
    ports,
    type: found.length === 0 ? undefined : prefix(found[0]!) === "ip" ? "ipv4" : "ipv6",
    transport: isPiece ? BY_NUMBER.get(said) : transport === undefined ? undefined : TRANSPORTS[transport]![0],
    number: isPiece ? said : transport === undefined ? said : TRANSPORTS[transport]![1],
    fields: inner === undefined ? undefined : innermost(inner, prefix(inner)),
  };
}

function protocolNumber(layer: Layer, prefix: "ip" | "ipv6"): string | undefined {
  if (prefix === "ip") return layer.first("ip_proto");
  // The last extension header says what comes behind it.
  const piece = layer.first("ipv6_fraghdr_nxt") ?? layer.first("ipv6_fraghdr_ipv6_fraghdr_nxt");
  return piece ?? layer.first("ipv6_nxt");
}

function innermost(layer: Layer, prefix: "ip" | "ipv6"): Record<string, unknown> | undefined {
  if (prefix === "ipv6") return given({ ttl: intOf(layer.first("ipv6_hlim")) });
  const more = layer.first("ip_flags_mf") === "1";
  // In units of eight bytes, as in the header.
  const offset = 8 * (intOf(layer.first("ip_frag_offset")) ?? 0);
  const isPiece = more || offset > 0;
  return given({
    ttl: intOf(layer.first("ip_ttl")),
    fragment: isPiece ? { id: intOf(layer.first("ip_id")), offset, more } : undefined,
  });
}

function tcpFields(ports: IpParts["ports"]): Record<string, unknown> | undefined {
  const [layer, name] = ports.at(-1) ?? [];
  if (name !== "tcp") return undefined;
  const bits = intOf(layer!.first("tcp_flags"));
  return given({
    flags: bits === undefined ? undefined : TCP_FLAGS.filter((_, bit) => ((bits >> bit) & 1) === 1),
    seq_raw: intOf(layer!.first("tcp_seq_raw")),
    ack_raw: intOf(layer!.first("tcp_ack_raw")),
    window_size_value: intOf(layer!.first("tcp_window_size_value")),
    len: intOf(layer!.first("tcp_len")),
  });
}

function udpFields(ports: IpParts["ports"]): Record<string, unknown> | undefined {
  const [layer, name] = ports.at(-1) ?? [];
  const length = name === "udp" ? intOf(layer!.first("udp_length")) : undefined;
  return length === undefined ? undefined : { len: length - 8 };
}

function icmpFields(layer: Layer | undefined, version: 4 | 6): Record<string, unknown> | undefined {
  const prefix = version === 4 ? "icmp" : "icmpv6";
  const type = intOf(layer?.first(`${prefix}_type`));
  return type === undefined ? undefined : given({ version, type, code: intOf(layer!.first(`${prefix}_code`)) });
}

function arpFields(layer: Layer | undefined): Record<string, unknown> | undefined {
  if (layer === undefined) return undefined;
  const side = (name: "src" | "dst"): Record<string, unknown> | undefined =>
    given({
      hw_mac: ecsMac(layer.first(`arp_${name}_hw_mac`)),
      proto_ipv4: layer.first(`arp_${name}_proto_ipv4`),
    });
  return given({ opcode: intOf(layer.first("arp_opcode")), src: side("src"), dst: side("dst") });
}

/** Names of ECS. Headers that hold credentials are not taken. */
function httpFields(layer: Layer): Record<string, unknown> | undefined {
  const version = layer.first("http_request_version") ?? layer.first("http_response_version");
  const status = intOf(layer.first("http_response_code"));
  return given({
    version: version?.replace(/^HTTP\//, ""),
    request: given({ method: layer.first("http_request_method"), referrer: layer.first("http_referer") }),
    response: status === undefined ? undefined : { status_code: status },
  });
}

function urlFields(layer: Layer): Record<string, unknown> | undefined {
  return given({
    original: layer.first("http_request_uri"),
    full: layer.first("http_request_full_uri"),
    domain: layer.first("http_host")?.replace(/:\d+$/, ""),
  });
}

function tlsFields(layers: readonly Layer[]): Record<string, unknown> | undefined {
  const first = (name: string): string | undefined =>
    layers.map((layer) => layer.first(name)).find((value) => value !== undefined && value !== "");
  const client = given({
    server_name: first("tls_handshake_extensions_server_name"),
    ja3: first("tls_handshake_ja3"),
  });
  return client === undefined ? undefined : { client };
}
