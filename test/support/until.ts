import assert from "node:assert/strict";

/** Waits until a condition holds; fails after a minute, with what is to be explained. */
export async function until(what: string, condition: () => boolean, explain = (): unknown => ""): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition();) {
    if (Date.now() > deadline) assert.fail(`in time: ${what} ${JSON.stringify(explain())}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
