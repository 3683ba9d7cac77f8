/** The layers that decoders know, as small numbers, and what tshark calls them in `frame.protocols`. */
export const LAYER = {
  eth: 0,
  ethertype: 1,
  vlan: 2,
  ieee8021ad: 3,
  mpls: 4,
  pppoed: 5,
  pppoes: 6,
  ppp: 7,
  sll: 8,
  null: 9,
  raw: 10,
  llc: 11,
  arp: 12,
  ip: 13,
  ipv6: 14,
  hopopts: 15,
  routing: 16,
  fraghdr: 17,
  dstopts: 18,
  ah: 19,
  esp: 20,
  tcp: 21,
  udp: 22,
  sctp: 23,
  icmp: 24,
  icmpv6: 25,
  igmp: 26,
  gre: 27,
  vxlan: 28,
  dns: 29,
  mdns: 30,
  llmnr: 31,
  dhcp: 32,
  http: 33,
  tls: 34,
  ntp: 35,
  data: 36,
} as const;

const TSHARK_NAMES: Readonly<Partial<Record<keyof typeof LAYER, string>>> = {
  hopopts: "ipv6.hopopts",
  routing: "ipv6.routing",
  fraghdr: "ipv6.fraghdr",
  dstopts: "ipv6.dstopts",
};

/** By layer number. */
export const LAYER_NAMES: readonly string[] = Object.keys(LAYER).map(
  (name) => TSHARK_NAMES[name as keyof typeof LAYER] ?? name,
);

const WIDTH = 64;
const FIRST_PATHS = 256;
/** A capture of ordinary traffic has a few dozen. */
const KEPT_PATHS = 4096;

/**
 * The stacks of layers that were met, as numbers: a tree in which every step from a stack to a longer one is one look
 * into a table, so that a packet's `frame.protocols` costs no text.
 */
export class LayerPaths {
  /** Another one when numbers given out before mean nothing any more. */
  generation = 0;
  #next = new Uint32Array(FIRST_PATHS * WIDTH);
  #parents = new Uint32Array(FIRST_PATHS);
  #layers = new Uint8Array(FIRST_PATHS);
  /** Path 0 is the empty one. */
  #count = 1;
  #texts: (string | undefined)[] = [""];

  /** The path that is `path` with one more layer. */
  step(path: number, layer: number): number {
    const known = this.#next[path * WIDTH + layer]!;
    return known !== 0 ? known : this.#add(path, layer);
  }

  /** The names of the layers with colons between them. */
  text(path: number): string {
    return (this.#texts[path] ??= this.#compose(path));
  }

  /** Whether the path has the layer anywhere. */
  has(path: number, layer: number): boolean {
    for (; path !== 0; path = this.#parents[path]!) if (this.#layers[path] === layer) return true;
    return false;
  }

  /** Forgets all paths when hostile traffic has made too many. Numbers given out before mean nothing afterwards. */
  trim(): void {
    if (this.#count <= KEPT_PATHS) return;
    this.generation++;
    this.#next = new Uint32Array(FIRST_PATHS * WIDTH);
    this.#parents = new Uint32Array(FIRST_PATHS);
    this.#layers = new Uint8Array(FIRST_PATHS);
    this.#count = 1;
    this.#texts = [""];
  }

  #add(path: number, layer: number): number {
    if (this.#count === this.#parents.length) {
      this.#next = grown(this.#next);
      this.#parents = grown(this.#parents);
      const layers = new Uint8Array(this.#layers.length * 2);
      layers.set(this.#layers);
      this.#layers = layers;
    }
    const added = this.#count++;
    this.#next[path * WIDTH + layer] = added;
    this.#parents[added] = path;
    this.#layers[added] = layer;
    return added;
  }

  #compose(path: number): string {
    const parent = this.#parents[path]!;
    const name = LAYER_NAMES[this.#layers[path]!]!;
    return parent === 0 ? name : `${this.text(parent)}:${name}`;
  }
}

function grown(from: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const to = new Uint32Array(from.length * 2);
  to.set(from);
  return to;
}
