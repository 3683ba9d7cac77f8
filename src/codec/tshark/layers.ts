import { isPairs, type Pairs, type PairValue } from "./pairs.ts";

/** Layers with other names than what their fields begin with: those of before 3.0, and what looks like DNS. */
const PREFIXES: Readonly<Record<string, string>> = { mdns: "dns", llmnr: "dns", bootp: "dhcp", ssl: "tls" };
const RENAMED: Readonly<Record<string, string>> = { bootp: "dhcp", ssl: "tls" };

/** The fields of one layer of a packet, wherever in its tree they are, in the order in which tshark names them. */
export class Layer {
  readonly #values = new Map<string, string[]>();

  /** The field's first value; the name with `_` in place of dots: `ip_src_host`. */
  first(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Adds a value, and all that is in it, under its name in the layer `layer`. */
  add(layer: string, key: string, value: PairValue): void {
    if (isPairs(value)) {
      for (let i = 0; i < value.names.length; i++) this.add(layer, value.names[i]!, value.values[i]!);
    } else if (typeof value === "string" || typeof value === "boolean") {
      const name = fieldName(layer, key);
      const text = typeof value === "string" ? value : value ? "1" : "0";
      const known = this.#values.get(name);
      if (known === undefined) this.#values.set(name, [text]);
      else known.push(text);
    } else if (value !== null) for (const each of value) this.add(layer, key, each);
  }
}

/**
 * The layers of a record of `tshark -T json` or `-T ek` by name, of those in `wanted`; a layer may be there several times
 * (tunnels). Fields that tshark was asked for one by one (`-e ip.src`) stand without layers, and are put into those.
 */
export function layersOf(layers: Pairs, wanted: ReadonlySet<string>): Map<string, Layer[]> {
  const found = new Map<string, Layer[]>();
  const put = (layer: string, pairs: Pairs): void => {
    const made = new Layer();
    made.add(layer, "", pairs);
    const name = RENAMED[layer] ?? layer;
    const others = found.get(name);
    if (others === undefined) found.set(name, [made]);
    else others.push(made);
  };
  for (let i = 0; i < layers.names.length; i++) {
    const name = layers.names[i]!;
    const value = layers.values[i]!;
    if (wanted.has(name)) {
      if (isPairs(value)) put(name, value);
      // --no-duplicate-keys makes a list of layers that are there several times.
      else if (Array.isArray(value)) for (const each of value as PairValue[]) if (isPairs(each)) put(name, each);
      // A field that is a layer by itself.
      if (typeof value === "string") put(name, { names: [name], values: [value] });
    } else if (!isPairs(value)) {
      const layer = /^[a-z0-9]+(?=[._])/.exec(name)?.[0] ?? "";
      if (!wanted.has(layer)) continue;
      const known = found.get(RENAMED[layer] ?? layer)?.[0];
      if (known === undefined) put(layer, { names: [name], values: [value] });
      else known.add(layer, name, value);
    }
  }
  return found;
}

/** Names are few and come again in every record. */
const names = new Map<string, string>();
const MAX_NAMES = 10_000;

/**
 * The name of a field, however it is written: `ip.src` (json), `ip_ip_src` (ek), `src` (prefix taken off), `bootp.type`
 * (before 3.0) for `dhcp_type`.
 */
function fieldName(layer: string, key: string): string {
  const both = `${layer} ${key}`;
  let name = names.get(both);
  if (name === undefined) {
    name = makeName(layer, key);
    if (names.size >= MAX_NAMES) names.clear();
    names.set(both, name);
  }
  return name;
}

function makeName(layer: string, key: string): string {
  const prefix = PREFIXES[layer] ?? layer;
  let name = key.replaceAll(".", "_");
  // -T ek puts the protocol in front: of the layer, or of the fields in it.
  for (const protocol of [layer, prefix]) {
    const rest = name.startsWith(`${protocol}_`) ? name.slice(protocol.length + 1) : "";
    if (!rest.startsWith(`${layer}_`) && !rest.startsWith(`${prefix}_`)) continue;
    name = rest;
    break;
  }
  if (RENAMED[layer] !== undefined && name.startsWith(`${layer}_`)) return prefix + name.slice(layer.length);
  return name.startsWith(`${prefix}_`) ? name : `${prefix}_${name}`;
}
