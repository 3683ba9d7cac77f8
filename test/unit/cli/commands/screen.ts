import type { Screen } from "../../../../src/cli/screen.ts";

/** A screen that remembers what was written. */
export function memoryScreen(colour = false): Screen & { readonly written: { out: string; err: string } } {
  const written = { out: "", err: "" };
  return {
    written,
    colour,
    out: (text) => void (written.out += text),
    err: (text) => void (written.err += text),
  };
}
