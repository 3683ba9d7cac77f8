// The bundle (scripts/bundle.mjs): all that a start of the agent loads as one script, and V8's code cache for it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import vm from "node:vm";

/** Reads and compiles the bundle. Throws where it cannot be read. */
export function compileBundle(file) {
  const bytes = readFileSync(file);
  return new vm.Script(bytes.latin1Slice(), {
    filename: file,
    cachedData: readCache(cacheFile(file), bytes),
  });
}

/** Runs a compiled bundle and returns what it exports. */
export function runBundle(file, script) {
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(file), module, file, path.dirname(file));
  return module.exports;
}

export function cacheFile(file) {
  return `${file}.cache`;
}

/** What a cache begins with. V8 looks at its own version and flags; of the text only at the length, of the cache at nothing. */
export function digestOf(bundle, cache) {
  return createHash("sha256").update(bundle).update(cache).digest();
}

function readCache(file, bundle) {
  try {
    const whole = readFileSync(file);
    const cache = whole.subarray(DIGEST_BYTES);
    return digestOf(bundle, cache).equals(whole.subarray(0, DIGEST_BYTES)) ? cache : undefined;
  } catch {
    // None was made, or it cannot be read: the bundle is compiled as it is used.
    return undefined;
  }
}

const DIGEST_BYTES = 32;
