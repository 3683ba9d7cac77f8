import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";

/** A network interface of this host. */
export interface NetworkInterface {
  readonly name: string;
  readonly state: "up" | "down" | "unknown";
  /** What it is: `ethernet`, `loopback`, `wireless`, `bridge`, `tunnel`, `vlan`, `bond`, `virtual`, … */
  readonly kind: string;
  /** The link type of captures on it, as libpcap names it; undefined where we do not know. */
  readonly link_type: string | undefined;
  readonly mac: string | undefined;
  /** With their prefix lengths. */
  readonly addresses: readonly string[];
  readonly mtu_bytes: number | undefined;
}

/** ARPHRD_ numbers of Linux (include/uapi/linux/if_arp.h) and what libpcap captures on such. */
const LINKS: Readonly<Record<string, readonly [kind: string, linkType: string]>> = {
  "1": ["ethernet", "EN10MB"],
  "512": ["ppp", "LINUX_SLL2"],
  "768": ["tunnel", "RAW"],
  "769": ["tunnel", "RAW"],
  "772": ["loopback", "EN10MB"],
  "776": ["tunnel", "RAW"],
  "778": ["tunnel", "LINUX_SLL2"],
  "801": ["wireless", "IEEE802_11"],
  "802": ["wireless", "PRISM_HEADER"],
  "803": ["wireless", "IEEE802_11_RADIO"],
  "823": ["tunnel", "LINUX_SLL2"],
  "65534": ["tunnel", "RAW"],
};

/** Reads a file of an interface under /sys/class/net; undefined where there is none. */
type ReadSys = (name: string, file: string) => string | undefined;

const readSys: ReadSys = (name, file) => {
  try {
    return readFileSync(`/sys/class/net/${name}/${file}`, "utf8").trim();
  } catch {
    return undefined;
  }
};

/** All interfaces, also those that are down and have no address (on Linux), by name. */
export function listInterfaces(
  names: readonly string[],
  read: ReadSys = readSys,
  addresses: ReturnType<typeof networkInterfaces> = networkInterfaces(),
  exists: (name: string, file: string) => boolean = (name, file) => existsSync(`/sys/class/net/${name}/${file}`),
): NetworkInterface[] {
  return [...new Set([...names, ...Object.keys(addresses)])].sort().map((name) => {
    const known = addresses[name] ?? [];
    const [kind, linkType] = LINKS[read(name, "type") ?? ""] ?? [
      known[0]?.internal === true ? "loopback" : "other",
      undefined,
    ];
    const mac = read(name, "address") ?? known[0]?.mac;
    const mtu = Number(read(name, "mtu"));
    return {
      name,
      state: stateOf(read(name, "operstate"), read(name, "flags"), known.length > 0),
      kind: kind === "ethernet" ? kindOfEthernet(name, read, exists) : kind,
      link_type: linkType,
      mac: mac === undefined || /^(00:)*00$/.test(mac) || mac === "" ? undefined : mac,
      addresses: known.map(({ address, cidr }) => cidr ?? address),
      mtu_bytes: Number.isInteger(mtu) && mtu > 0 ? mtu : undefined,
    };
  });
}

/** Tunnels and the loopback say "unknown" of themselves: then the flag IFF_UP (1) counts. */
function stateOf(state: string | undefined, flags: string | undefined, hasAddress: boolean): NetworkInterface["state"] {
  if (state === "up" || state === "down") return state;
  if (flags !== undefined) return (Number(flags) & 1) === 1 ? "up" : "down";
  return hasAddress ? "up" : "unknown";
}

function kindOfEthernet(name: string, read: ReadSys, exists: (name: string, file: string) => boolean): string {
  const type = /^DEVTYPE=(.+)$/m.exec(read(name, "uevent") ?? "")?.[1];
  if (type === "wlan" || exists(name, "wireless") || exists(name, "phy80211")) return "wireless";
  if (type === "bridge" || exists(name, "bridge")) return "bridge";
  if (type === "bond" || exists(name, "bonding")) return "bond";
  if (type === "vxlan" || type === "geneve" || type === "gre" || exists(name, "tun_flags")) return "tunnel";
  if (type !== undefined) return type;
  return exists(name, "device") ? "ethernet" : "virtual";
}
