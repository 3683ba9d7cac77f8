import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { randomBelow } from "../../../support/random.ts";
import { assertDeflates, deflate, deflateCapacity } from "../../../support/deflate.ts";

const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Bulk bodies of documents of one shape, as nginx lines make them. */
function bulkBody(documents: number): Buffer {
  const random = randomBelow(7);
  const pick = <T>(of: readonly T[]): T => of[random(of.length)]!;
  const paths = ["/", "/login", "/api/v1/items/", "/images/p/", "/static/css/main.css"];
  const agents = ["curl/8.5.0", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Safari/537.36", "python-requests/2.32.3"];
  const document = (i: number): string => {
    const address = [random(256), random(256), random(256), random(256)].join(".");
    const line = `${address} - - "GET ${pick(paths)}${random(9000)} HTTP/1.1" ${pick([200, 304])} ${random(60_000)} "${pick(agents)}"`;
    const message = JSON.stringify({
      "@timestamp": "2026-11-22T10:00:00.000Z",
      message: line,
      log: { offset: i * 170 },
    });
    return `{"create":{"_id":"eSxzTzC-qRLe2fJj.GzLC.${i * 170}"}}\n${message}\n`;
  };
  return Buffer.from(Array.from({ length: documents }, (_, i) => document(i)).join(""));
}

function noise(length: number, seed = 1, below = 256): Buffer {
  const random = randomBelow(seed);
  return Buffer.from(Array.from({ length }, () => random(below)));
}

describe("deflate", () => {
  it("gives what zlib reads, whatever goes in", () => {
    const inputs: Readonly<Record<string, Buffer>> = {
      nothing: Buffer.alloc(0),
      "one byte": Buffer.from("a"),
      "less than is searched": Buffer.from("abcabca"),
      "two of the same": Buffer.from("abcdefghabcdefgh"),
      "one byte for long": Buffer.alloc(100_000, "a"),
      "more than the longest match": Buffer.from("x".repeat(257) + "y" + "x".repeat(258) + "y" + "x".repeat(259)),
      "every byte": Buffer.from(Array.from({ length: 1024 }, (_, i) => i & 255)),
      noise: noise(100_000),
      "noise of four bytes": noise(100_000, 2, 4),
      "documents, then noise": Buffer.concat([bulkBody(100), noise(50_000, 3), bulkBody(100)]),
    };
    for (const [name, input] of Object.entries(inputs))
      for (const level of LEVELS) assert.ok(assertDeflates(input, level) >= 0, name);
  });

  it("refers to what is as far back as can be, and no farther", () => {
    const word = noise(300, 4);
    for (const gap of [32_767 - 300, 32_768 - 300, 32_769 - 300, 65_536 - 300]) {
      const far = Buffer.concat([word, noise(gap, 5), word]);
      for (const level of [1, 6, 9]) assertDeflates(far, level);
    }
  });

  it("ends blocks wherever they become full", () => {
    // Literals, and matches that are put off, at every distance from the end of a block of 16,384.
    for (let length = 16_370; length < 16_400; length++) {
      const input = Buffer.concat([noise(length, 6), Buffer.from("abcdefbcdefgh abcdefgh bcdefgh".repeat(20))]);
      assertDeflates(input, 7);
    }
  });

  it("needs no more for noise than its length and 11 bytes for each 16 KiB", () => {
    for (const length of [1000, 16_384, 65_535, 65_536, 1_000_000, deflateCapacity]) {
      const size = assertDeflates(noise(length, length), 6);
      assert.ok(size <= length + 11 * (Math.ceil(length / 16_384) + 1), `${size} for ${length}`);
    }
  });

  it("takes as much as a slot holds, in each slot", () => {
    const input = bulkBody(20_000).subarray(0, deflateCapacity);
    assert.equal(input.length, deflateCapacity);
    assert.equal(assertDeflates(input, 1, 0), assertDeflates(input, 1, 1));
  });

  it("is continued in the same stream where it was not the last", () => {
    const parts = [bulkBody(50), Buffer.alloc(0), Buffer.from("x"), noise(70_000), bulkBody(3)];
    const stream = parts.map((part, i) => deflate(part, 6, i === parts.length - 1));
    assert.ok(inflateRawSync(Buffer.concat(stream)).equals(Buffer.concat(parts)));
  });

  it("makes documents about as small as zlib of the same level, or smaller", () => {
    const body = bulkBody(6000);
    const zlib = LEVELS.map((level) => deflateRawSync(body, { level }).length);
    const ours = LEVELS.map((level) => assertDeflates(body, level));
    ours.forEach((size, i) => assert.ok(size < 1.05 * zlib[i]!, `level ${i + 1}: ${size}; zlib ${zlib[i]!}`));
    ours.slice(1).forEach((size, i) => assert.ok(size <= ours[i]!, `level ${i + 2}: ${size} after ${ours[i]!}`));
  });

  it("forgets what it had before", () => {
    const [first, second] = [bulkBody(200), noise(5000, 8, 20)];
    const alone = deflate(second, 6);
    deflate(first, 6);
    assert.ok(deflate(second, 6).equals(alone));
  });
});
