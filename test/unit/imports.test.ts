import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

/** What each folder of src may import, besides itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  codec: ["core"],
  disk: ["codec", "core"],
  store: ["disk", "codec", "core"],
  packet: ["disk", "codec", "core"],
  stages: ["codec", "core"],
  sources: ["store", "packet", "disk", "codec", "core"],
  sinks: ["store", "packet", "disk", "codec", "core"],
  runtime: ["disk", "codec", "core"],
  cli: ["runtime", "sources", "stages", "sinks", "store", "packet", "disk", "codec", "core"],
};
const VENDOR_SDKS = /^(@aws-sdk|@smithy|@elastic|@duckdb)\//;
const IMPORT =
  /^\s*(?:import|export)\s(?<type>type\s)?[^;"']*?from\s+"(?<name>[^"]+)"|^\s*import\s+"(?<bare>[^"]+)"|\bimport\("(?<lazy>[^"]+)"\)/gm;

const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** `sources/file` for src/sources/file/tail.ts: a component; `core` for src/core/event.ts. */
function unit(file: string): string {
  const [area = "", component = ""] = file.split(path.sep);
  return ["sources", "stages", "sinks"].includes(area) && !component.endsWith(".ts") ? `${area}/${component}` : area;
}

function faults(file: string): string[] {
  const found: string[] = [];
  const from = unit(file);
  const area = from.split("/")[0]!;
  for (const match of readFileSync(path.join("src", file), "utf8").matchAll(IMPORT)) {
    const { type, name, bare, lazy } = match.groups!;
    const target = name ?? bare ?? lazy!;
    if (!target.startsWith(".")) {
      const loadsAtStart = type === undefined && lazy === undefined;
      if (VENDOR_SDKS.test(target) && loadsAtStart)
        found.push(`src/${file} loads ${target} at start: use await import()`);
      continue;
    }
    const to = unit(path.join(path.dirname(file), target));
    const toArea = to.split("/")[0]!;
    const allowed = to === from || (toArea !== area && ALLOWED[area]?.includes(toArea) === true);
    // What components of one kind share lies beside their folders.
    const shared = toArea === area && !to.includes("/");
    if (!allowed && !shared && !target.includes("package.json")) found.push(`src/${file} imports ${to}`);
  }
  return found;
}

test("imports point inward, no component imports another, and vendor SDKs are loaded only when used", () => {
  assert.ok(files.length > 5, "found too few sources: is the working directory the project's root?");
  assert.deepEqual(files.flatMap(faults), []);
});
