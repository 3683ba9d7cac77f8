import assert from "node:assert/strict";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { examine, headOf, parseIdentity, parseResume } from "../../../../src/sources/file/identity.ts";

describe("what a file's content says about which file it is", () => {
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
        const look = async (points: { position: number; resume: unknown }[], kept = head) => {
          const { head: seen, ...rest } = await examine(handle, 200, { head: kept, points });
          assert.deepEqual(seen, content);
          return rest;
        };
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
});
