import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileMatcher } from "../../../src/disk/glob.ts";

describe("file globs", () => {
  it("match paths, and leave out what is excluded by name or by path", () => {
    const matcher = fileMatcher(["/var/log/**/*.log*", "/srv/app/out.txt"], ["*.gz", "/var/log/private/**"]);
    for (const path of ["/var/log/a.log", "/var/log/x/y/a.log.1", "/srv/app/out.txt", "/var/log/.hidden.log"])
      assert.ok(matcher.matches(path), path);
    for (const path of ["/var/log/a.log.gz", "/var/log/private/a.log", "/srv/app/out.txt.1", "/var/log/a.txt"])
      assert.ok(!matcher.matches(path), path);
  });

  it("begin at their static parents", () => {
    assert.deepEqual(fileMatcher(["/var/log/*.log", "/var/log/nginx/access.log", "/srv/*/log/*.log"], []).bases, [
      "/var/log",
      "/var/log/nginx",
      "/srv",
    ]);
  });

  it("lead only into folders that may hold matches", () => {
    const flat = fileMatcher(["/var/log/*.log"], []);
    assert.ok(flat.mayContain("/var/log"));
    assert.ok(flat.mayContain("/var"));
    assert.ok(!flat.mayContain("/var/log/nginx"));
    const nested = fileMatcher(["/srv/*/log/*.log"], []);
    assert.ok(nested.mayContain("/srv/a"));
    assert.ok(nested.mayContain("/srv/a/log"));
    assert.ok(!nested.mayContain("/srv/a/other"));
    assert.ok(!nested.mayContain("/srv/a/log/deeper"));
    const deep = fileMatcher(["/srv/**/*.log"], []);
    assert.ok(deep.mayContain("/srv/a/b/c"));
    assert.ok(!deep.mayContain("/var"));
  });
});
