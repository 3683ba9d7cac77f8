import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareRotated, isRotatedName, parseRotatedName } from "../../../../src/sources/file/rotated-name.ts";

describe("names of rotated files", () => {
  it("are known as logrotate and loggers give them", () => {
    for (const name of [
      "app.log.1",
      "app.log-20261121",
      "app.log.1.old",
      "app-20261121.log",
      "app.1.log",
      "app.log~",
      "app.log.1.gz",
      "app.log-20261121.gz",
      "app.1.log.gz",
      "app.log.gz",
    ]) {
      assert.ok(isRotatedName(name, "app.log"), name);
    }
    for (const name of ["app.log", "application.log", "app2.log", "other.log", "app.txt", "app.gz"]) {
      assert.ok(!isRotatedName(name, "app.log"), name);
    }
  });

  it("are put in the order of their rotation, the oldest first", () => {
    const ordered = (...names: string[]): void => {
      const files = names.map((name, i) => ({ name: parseRotatedName(name, "app.log")!, mtimeMs: i, text: name }));
      const shuffled = [...files].sort((a, b) => a.text.length - b.text.length || (a.text < b.text ? -1 : 1));
      assert.deepEqual(
        shuffled.sort(compareRotated).map((file) => file.text),
        names,
      );
    };
    ordered("app.log.10.gz", "app.log.9.gz", "app.log.2", "app.log.1");
    ordered("app.log-20251231.gz", "app.log-20261120", "app.log-20261121");
    ordered("app.log-20261120-23", "app.log-20261121-01", "app.log-20261121-10");
    ordered("app-2026-09-30.log", "app-2026-10-01.log");
    ordered("app.log-1795250000", "app.log-1795250060");
    ordered("app.2.log.gz", "app.1.log", "app.log.gz");
    // A change of scheme: by the time of the last write.
    ordered("app.log-20261121", "app.log.1");
  });

  it("without an order are no part of one", () => {
    for (const name of ["app.log", "app.log.old", "app.log~", "app.log.swp", "app.log.1.bak", "other.log.1"])
      assert.equal(parseRotatedName(name, "app.log"), undefined, name);
  });
});
