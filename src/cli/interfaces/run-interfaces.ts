import { readdir } from "node:fs/promises";
import { alignColumns, paint, terminalOf } from "../terminal.ts";
import { listInterfaces, type NetworkInterface } from "./list.ts";
import { tryCaptures, type MayCapture } from "./may-capture.ts";

/** `wiretail interfaces`: all of them, and whether this user may capture there. Resolves with the exit code. */
export async function runInterfaces(options: { readonly json?: boolean; readonly color: boolean }): Promise<number> {
  const names = await readdir("/sys/class/net").catch(() => []);
  const found = listInterfaces(names.filter((name) => name !== "bonding_masters"));
  const may = await tryCaptures(found);
  if (options.json === true) {
    const all = found.map((each, i) => ({ ...each, capture: may[i]! }));
    process.stdout.write(`${JSON.stringify(all, undefined, 2)}\n`);
    return 0;
  }
  const terminal = terminalOf(process.stdout, process.env, !options.color);
  const [header = "", ...rows] = alignColumns([
    ["NAME", "STATE", "KIND", "LINK TYPE", "MAC", "ADDRESSES", "CAPTURE"],
    ...found.map((each, i) => row(each, may[i]!)),
  ]);
  process.stdout.write(`${[paint(terminal, "bold", header), ...rows].join("\n")}\n`);
  for (const [remedy, of] of remedies(found, may)) {
    process.stdout.write(`${paint(terminal, "yellow", `no capture on ${of.join(", ")}:`)} ${remedy}\n`);
  }
  return 0;
}

function row(each: NetworkInterface, { ok, by }: MayCapture): string[] {
  const { name, state, kind, link_type, mac, addresses } = each;
  return [
    name,
    state,
    kind,
    link_type ?? "-",
    mac ?? "-",
    addresses.join(" ") || "-",
    ok ? `yes, by ${by ?? "?"}` : "no",
  ];
}

/** What to do, with the interfaces for which it helps. */
function remedies(found: readonly NetworkInterface[], may: readonly MayCapture[]): Map<string, string[]> {
  const remedies = new Map<string, string[]>();
  for (const [i, { remedy }] of may.entries()) {
    if (remedy === undefined) continue;
    remedies.set(remedy, [...(remedies.get(remedy) ?? []), found[i]!.name]);
  }
  return remedies;
}
