import assert from "node:assert/strict";
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { numbersIn, assertExactlyOnce, NumberedWriter, startAgent, waitFor, writeHost } from "../support/e2e.ts";

const NOBODY = 65_534;
/** What a host that reads and writes files needs; vendors' SDKs are loaded only by their sinks. */
const PACKAGES = ["ajv", "bowser", "commander", "jsonc-parser", "mmdb-lib", "picomatch"];

/** Copies the build with what it needs to where every user can read it. */
async function copyBuild(to: string): Promise<void> {
  const copied = new Set<string>();
  const copyPackage = async (name: string): Promise<void> => {
    if (copied.has(name)) return;
    copied.add(name);
    const from = join("node_modules", name);
    await cp(from, join(to, from), { recursive: true, dereference: true });
    const { dependencies = {} } = JSON.parse(await readFile(join(from, "package.json"), "utf8")) as {
      dependencies?: Record<string, string>;
    };
    for (const each of Object.keys(dependencies)) await copyPackage(each);
  };
  for (const part of ["bin", "dist/src", "package.json"]) await cp(part, join(to, part), { recursive: true });
  for (const name of PACKAGES) await copyPackage(name);
}

const isRoot = process.getuid?.() === 0;

test(
  "an unprivileged agent says that it may not read a file, and reads all of it when it may",
  { skip: isRoot ? false : "becoming another user needs root" },
  async (t) => {
    const folder = await mkdtemp(join(os.tmpdir(), "wiretail-nobody-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    await chmod(folder, 0o755);
    await copyBuild(join(folder, "app"));
    const [open, closed] = [
      new NumberedWriter(join(folder, "in/open.log")),
      new NumberedWriter(join(folder, "in/closed.log")),
    ];
    await open.write(10);
    await closed.write(100);
    await chmod(closed.path, 0o600);
    for (const name of ["state", "out"]) {
      await mkdir(join(folder, name));
      await chown(join(folder, name), NOBODY, NOBODY);
    }
    const host = await writeHost(folder, {
      sources: {
        open: { type: "file", include: [open.path] },
        closed: { type: "file", include: [closed.path] },
      },
      pipelines: { open: { from: ["open"], to: ["open"] }, closed: { from: ["closed"], to: ["closed"] } },
      sinks: {
        open: { type: "file", path: join(folder, "out/open.ndjson"), batch: { max_age_ms: 20 } },
        closed: { type: "file", path: join(folder, "out/closed.ndjson"), batch: { max_age_ms: 20 } },
      },
    });
    const become = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--no-new-privs"];
    const agent = await startAgent(host, { command: [...become, process.execPath, join(folder, "app/bin/wiretail")] });
    try {
      await waitFor(
        "the readable file is read",
        async () => (await numbersIn(join(folder, "out/open.ndjson"))).length === 10,
      );
      await waitFor(
        "it says what it may not read",
        () => /closed\.log.*(EACCES|permission denied)/i.test(agent.stderr),
        {
          explain: () => agent.stderr,
        },
      );
      const input = async () =>
        (await agent.status()).sources
          .find((source) => source.name === "closed")!
          .inputs.find(({ name }) => name === closed.path);
      await waitFor("status says so, too", async () => (await input())?.error != null);
      assert.deepEqual(await numbersIn(join(folder, "out/closed.ndjson")), []);
      await chmod(closed.path, 0o644);
      await waitFor("it is read", async () => (await numbersIn(join(folder, "out/closed.ndjson"))).length === 100, {
        explain: () => agent.stderr,
      });
      assert.equal(await agent.stop(), 0);
    } finally {
      await agent.kill9();
    }
    assertExactlyOnce(await numbersIn(join(folder, "out/closed.ndjson")), 100);
  },
);
