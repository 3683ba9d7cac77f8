// A reporter for node:test that records each test's outcome as a JSON line, so that scripts/test.mjs need not parse text.

/** @param {AsyncIterable<{ type: string, data: any }>} source */
export default async function* record(source) {
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const { name, file, skip, todo, details } = data;
    // Files and suites are counted by what is in them; one that fails by itself (a syntax error) does count.
    const container = details?.type === "suite" || (name.endsWith(".js") && type === "test:pass");
    const childFailed = details?.error?.failureType === "subtestsFailed";
    if (container && type === "test:pass" && skip === undefined) continue;
    if (childFailed) continue;
    const outcome =
      skip !== undefined ? "skipped" : todo !== undefined ? "todo" : type === "test:pass" ? "passed" : "failed";
    yield JSON.stringify({ outcome, name, file, reason: typeof skip === "string" ? skip : undefined }) + "\n";
  }
}
