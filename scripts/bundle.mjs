// Part of the build: one file with all that a start of the agent loads (docs/decisions/0008), its source map, the
// licences of the packages in it, and V8's code cache for it. The launcher takes it when it is there.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { build } from "esbuild";
import { ROOT } from "./steps.mjs";

const SOURCE = path.join(ROOT, "dist/src");
const FOLDER = path.join(ROOT, "dist/bundle");
// Loaded only by those who use them; they stay packages of their own.
const EXTERNAL = ["@aws-sdk/*", "@duckdb/*"];

/** A module asks where it lies, for what lies beside it: it says what it says outside of the bundle. */
const places = {
  name: "places",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\/transport\.js$/ }, ({ importer }) =>
      importer === path.join(SOURCE, "sinks/elasticsearch/node-client.js") ? { path: elasticTransport() } : undefined,
    );
    onLoad({ filter: /\.js$/ }, ({ path: file }) => {
      const inside = path.relative(SOURCE, file);
      if (inside.startsWith("..")) return undefined;
      const contents = readFileSync(file, "utf8")
        .replaceAll("import.meta.url", () => `sourceUrl(${JSON.stringify(inside)})`)
        .replaceAll("import.meta.dirname", () => `sourceFolder(${JSON.stringify(inside)})`);
      if (contents.includes("import.meta")) throw new Error(`${file}: what import.meta says is not known here`);
      return { contents, loader: "js" };
    });
  },
};

/** The Elasticsearch client's transport: src/sinks/elasticsearch/transport.ts finds it by a way no bundler can follow. */
function elasticTransport() {
  const client = createRequire(import.meta.url).resolve("@elastic/elasticsearch");
  return createRequire(client).resolve("@elastic/transport");
}

// bin/bundle.mjs calls it.
const BANNER = `(function (exports, require, module, __filename, __dirname) {
"use strict";
const sourceFile = (inside) => require("node:path").join(__dirname, "../src", inside);
const sourceFolder = (inside) => require("node:path").dirname(sourceFile(inside));
const sourceUrl = (inside) => require("node:url").pathToFileURL(sourceFile(inside)).href;`;

rmSync(FOLDER, { recursive: true, force: true });
mkdirSync(FOLDER, { recursive: true });
const { metafile, warnings } = await build({
  absWorkingDir: ROOT,
  entryPoints: ["dist/src/cli/bundled.js"],
  outfile: "dist/bundle/wiretail.cjs",
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20.19",
  // Packages that have both: as modules they can be joined, as CommonJS they may hide what they load.
  mainFields: ["module", "main"],
  external: EXTERNAL,
  // What stays outside is loaded by `require`: in a script like this Node 20 warns of `import()` as experimental.
  supported: { "dynamic-import": false },
  banner: { js: BANNER },
  footer: { js: "})" },
  // V8 keeps text that is all ASCII at half the size.
  charset: "ascii",
  legalComments: "none",
  sourcemap: "external",
  sourcesContent: false,
  metafile: true,
  plugins: [places],
  logLevel: "warning",
});
if (warnings.length > 0) throw new Error("esbuild has doubts about the bundle: see above");
if (!Object.keys(metafile.inputs).some((file) => file.includes("@elastic/transport/")))
  throw new Error("the Elasticsearch client's transport is not in the bundle");
writeFileSync(path.join(FOLDER, "LICENSES.txt"), licences(Object.keys(metafile.inputs)));
const made = spawnSync(process.execPath, ["scripts/code-cache.mjs"], { cwd: ROOT, stdio: "inherit" });
if (made.status !== 0) process.exitCode = 1;

/** The licence of each package that files are from, as its authors give it. */
function licences(files) {
  const folders = new Set(files.flatMap((file) => file.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []));
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(path.join(ROOT, folder, "package.json"), "utf8"));
    const texts = readdirSync(path.join(ROOT, folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file));
    const text = texts.map((file) => readFileSync(path.join(ROOT, folder, file), "utf8").trim()).join("\n\n");
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  return `wiretail.cjs has code of these packages in it.\n\n${parts.join(`\n${"-".repeat(80)}\n\n`)}`;
}
