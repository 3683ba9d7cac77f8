import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileMatcher } from "../../../src/disk/glob.ts";
import { FolderNotifications } from "../../../src/sources/file/folder-watch.ts";
import { until } from "../../support/source-output.ts";

describe("notifications of files", () => {
  let folder: string;
  let told: { path: string; structural: boolean }[];
  let watching: FolderNotifications | undefined;
  const at = (...names: string[]): string => path.join(folder, ...names);
  const isTold = (file: string, structural: boolean): boolean =>
    told.some((each) => each.path === file && each.structural === structural);

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "wiretail-watch-"));
    told = [];
  });
  afterEach(async () => {
    await watching?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function watch(...globs: string[]): Promise<FolderNotifications> {
    const patterns = globs.map((glob) => at(glob));
    watching = new FolderNotifications({
      matcher: fileMatcher(patterns, ["*.gz"]),
      onEvent: (file, structural) => told.push({ path: file, structural }),
      onFailure: (error) => assert.fail(String(error)),
      context: { monotonicMs: () => performance.now() },
    });
    await watching.refresh();
    return watching;
  }

  it("tell what is made, written and removed, and nothing of files that do not match", async () => {
    await watch("*.log");
    await writeFile(at("other.txt"), "x");
    await writeFile(at("a.log.gz"), "x");
    await writeFile(at("a.log"), "x");
    await until(() => isTold(at("a.log"), true));
    await appendFile(at("a.log"), "y");
    await until(() => isTold(at("a.log"), false));
    told.length = 0;
    await rename(at("a.log"), at("b.log"));
    await until(() => isTold(at("a.log"), true) && isTold(at("b.log"), true));
    assert.deepEqual(
      told.filter(({ path: file }) => !file.endsWith(".log")),
      [],
    );
  });

  it("tell the last of many changes, and not each of them", async () => {
    await writeFile(at("a.log"), "");
    await watch("*.log");
    for (let i = 0; i < 500; i++) await appendFile(at("a.log"), "x\n");
    await until(() => told.length > 0);
    assert.ok(told.length < 250, `${told.length} for 500 changes`);
    // What comes after a pause is told at once.
    await new Promise((resolve) => setTimeout(resolve, 200));
    told.length = 0;
    await appendFile(at("a.log"), "x\n");
    await until(() => isTold(at("a.log"), false));
  });

  it("reach folders that are made later, and those that are removed and made again", async () => {
    const notifications = await watch("*/deep/*.log");
    await mkdir(at("one", "deep"), { recursive: true });
    let isNew = false;
    await until(() => {
      void notifications.refresh().then((changed) => (isNew ||= changed));
      return isNew;
    });
    await writeFile(at("one", "deep", "a.log"), "x");
    await until(() => isTold(at("one", "deep", "a.log"), true));
    await rm(at("one"), { recursive: true });
    for (let i = 0; i < 10; i++) await notifications.refresh();
    await mkdir(at("one", "deep"), { recursive: true });
    for (let i = 0; i < 10; i++) await notifications.refresh();
    told.length = 0;
    await writeFile(at("one", "deep", "b.log"), "x");
    await until(() => isTold(at("one", "deep", "b.log"), true));
  });

  it("tell of the growth of a file that is a link to another folder, also when the link is changed", async () => {
    await mkdir(at("pods"));
    await mkdir(at("logs"));
    await writeFile(at("pods", "1"), "");
    await writeFile(at("pods", "2"), "");
    await symlink(at("pods", "1"), at("logs", "a.log"));
    const notifications = await watch("logs/*.log");
    await appendFile(at("pods", "1"), "x\n");
    await until(() => isTold(at("logs", "a.log"), false));
    await rm(at("logs", "a.log"));
    await symlink(at("pods", "2"), at("logs", "a.log"));
    await notifications.refresh();
    await new Promise((resolve) => setTimeout(resolve, 200));
    told.length = 0;
    await appendFile(at("pods", "2"), "x\n");
    await until(() => isTold(at("logs", "a.log"), false));
  });
});
