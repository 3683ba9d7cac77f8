import assert from "node:assert/strict";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  decide,
  examine,
  headOf,
  parseIdentity,
  parseResume,
  type Evidence,
  type Rule,
} from "../../../../src/sources/file/identity.ts";
import { isRotatedName } from "../../../../src/sources/file/siblings.ts";

const same: Evidence = {
  samePath: true,
  sameInode: true,
  shorter: false,
  headMatches: true,
  tailsMatch: true,
  proven: true,
};

describe("which file it is", () => {
  const table: [string, Partial<Evidence>, Rule][] = [
    ["an untouched file is the same", {}, "same_file"],
    ["a file of which nothing was read is the same by its inode", { proven: false }, "same_file"],
    ["a renamed file is found by its inode and content", { samePath: false }, "rotated_file"],
    ["a copy of what was read is found by content alone", { samePath: false, sameInode: false }, "copied_file"],
    ["a copy under the same path goes on too", { sameInode: false }, "copied_file"],
    ["content is no proof when there was none", { samePath: false, sameInode: false, proven: false }, "other_file"],
    ["a file that ends before the position was truncated", { shorter: true, tailsMatch: false }, "truncated_file"],
    ["a file that ends before the position was truncated, whatever else fits", { shorter: true }, "truncated_file"],
    ["another beginning at the same inode is a new file", { headMatches: false }, "new_file_at_old_inode"],
    [
      "other bytes before the position at the same inode are a new file",
      { tailsMatch: false },
      "new_file_at_old_inode",
    ],
    ["another inode with other content is another file", { sameInode: false, headMatches: false }, "other_file"],
    ["another inode that is too short is another file", { sameInode: false, shorter: true }, "other_file"],
  ];
  for (const [name, evidence, rule] of table) it(name, () => assert.equal(decide({ ...same, ...evidence }), rule));

  it("compares the beginning and the bytes before every position", async () => {
    const dir = await mkdtemp(join(tmpdir(), "wiretail-identity-"));
    try {
      const content = Buffer.from("abcdefghij".repeat(20));
      await writeFile(join(dir, "a"), content);
      const handle = await open(join(dir, "a"));
      try {
        const point = (position: number, tail: string) => ({
          position,
          resume: { tail: Buffer.from(tail).toString("base64") },
        });
        const head = headOf(content.subarray(0, 50));
        const look = (points: { position: number; resume: unknown }[], kept = head) =>
          examine(handle, 200, { head: kept, points });
        const fits = { shorter: false, headMatches: true, tailsMatch: true, proven: true };
        assert.deepEqual(await look([point(12, "fghijab"), point(200, "hij")]), fits);
        assert.deepEqual(await look([point(12, "fghijaX")]), { ...fits, tailsMatch: false });
        assert.deepEqual(await look([point(12, "fghijab"), point(30, "nope")]), { ...fits, tailsMatch: false });
        assert.deepEqual(await look([point(201, "hij")]), { ...fits, shorter: true });
        assert.deepEqual(await look([point(0, "")]), { ...fits, proven: false });
        assert.deepEqual(await look([point(12, "ab")], headOf(Buffer.from("other"))), { ...fits, headMatches: false });
      } finally {
        await handle.close();
      }
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("takes nothing for its own that it did not write", () => {
    for (const value of [null, undefined, 1, "x", {}, { path: "/a" }, { path: "/a", dev: 1, ino: 2, head: {} }]) {
      assert.equal(parseIdentity(value), undefined);
    }
    for (const value of [null, undefined, {}, { tail: 1 }]) assert.equal(parseResume(value), undefined);
    const identity = { path: "/a", dev: "1", ino: "2", head: { length: 0, hash: "" } };
    assert.equal(parseIdentity(identity), identity);
  });

  it("knows the names that rotation gives", () => {
    for (const name of [
      "app.log.1",
      "app.log-20261121",
      "app.log.1.old",
      "app-20261121.log",
      "app.1.log",
      "app.log~",
    ]) {
      assert.ok(isRotatedName(name, "app.log"), name);
    }
    for (const name of ["app.log", "application.log", "app2.log", "other.log", "app.txt"]) {
      assert.ok(!isRotatedName(name, "app.log"), name);
    }
  });
});
