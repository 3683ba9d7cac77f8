import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { packageRoot } from "../../../../src/runtime/package-root.ts";
import { HEAD_BYTES, TAIL_BYTES, examine, headOf } from "../../../../src/sources/file/identity.ts";
import { decide, evidenceFields, isSame, type Evidence } from "../../../../src/sources/file/rules.ts";

const COLUMNS: readonly ((evidence: Evidence) => string)[] = [
  ({ compressed }) => yesNo(compressed),
  ({ sameInode }) => yesNo(sameInode),
  (evidence) => yesNo(fits(evidence)),
  ({ proven }) => yesNo(proven),
  ({ sameBirth }) => (sameBirth === undefined ? "unknown" : yesNo(sameBirth)),
  ({ samePath }) => yesNo(samePath),
  ({ shorter }) => yesNo(shorter),
];

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

function fits({ shorter, headMatches, tailsMatch }: Evidence): boolean {
  return !shorter && headMatches && tailsMatch;
}

/** Every combination that a look can give. */
function* allEvidence(): Generator<Evidence> {
  const both = [false, true];
  for (const samePath of both)
    for (const sameInode of both)
      for (const sameBirth of [undefined, false, true])
        for (const compressed of both)
          for (const shorter of both)
            for (const headMatches of both)
              for (const tailsMatch of both)
                for (const proven of both)
                  yield { samePath, sameInode, sameBirth, compressed, shorter, headMatches, tailsMatch, proven };
}

/** The first table of docs/files.md that has a column for each of COLUMNS and one for the rule. */
function documentedRows(): { cells: string[]; rule: string }[] {
  const text = readFileSync(join(packageRoot(), "docs/files.md"), "utf8");
  return text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter((cells) => cells.length === COLUMNS.length + 1 && /^`\w+`$/.test(cells.at(-1)!))
    .map((cells) => ({ cells: cells.slice(0, -1), rule: cells.at(-1)!.slice(1, -1) }));
}

describe("the rules that say which file it is", () => {
  it("decide as the table in docs/files.md says, for every combination of evidence", () => {
    const rows = documentedRows();
    assert.ok(rows.length > 8);
    const used = new Set<number>();
    for (const evidence of allEvidence()) {
      const seen = COLUMNS.map((column) => column(evidence));
      const row = rows.findIndex(({ cells }) => cells.every((cell, i) => cell === "–" || cell === seen[i]));
      assert.equal(decide(evidence), rows[row]?.rule, JSON.stringify(evidence));
      used.add(row);
    }
    assert.equal(used.size, rows.length, "no line of the table is there for nothing");
  });

  it("never go on in a file whose content is not what was read", () => {
    for (const evidence of allEvidence()) if (!fits(evidence)) assert.ok(!isSame(decide(evidence)));
  });

  it("never take an inode, or a path, for a proof", () => {
    for (const evidence of allEvidence()) {
      if (!evidence.sameInode && !evidence.proven) assert.ok(!isSame(decide(evidence)));
      if (evidence.proven && fits(evidence)) assert.ok(isSame(decide(evidence)));
    }
  });

  it("say what they rest on", () => {
    const evidence: Evidence = {
      ...{ samePath: false, sameInode: false, sameBirth: false, compressed: false },
      ...{ shorter: false, headMatches: true, tailsMatch: true, proven: true },
    };
    const kept = {
      key: "1:2",
      head: { length: 7, hash: "abc" },
      points: [9, 5, 9].map((position) => ({ position, resume: null })),
    };
    assert.deepEqual(evidenceFields("copied_file", evidence, { key: "1:3", size: 12 }, kept), {
      rule: "copied_file",
      inode: "1:3, was 1:2",
      made: "at another time",
      fingerprint: "abc of 7 bytes matches",
      tail: "matches",
      size: 12,
      positions: "5,9",
    });
  });

  it("tell any file from any other that differs in what they look at", async () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 3000 }).map((array) => Buffer.from(array));
    const change = fc.oneof(
      fc.record({ kind: fc.constant("append" as const), bytes }),
      fc.record({ kind: fc.constant("cut" as const), at: fc.nat(3000) }),
      fc.record({ kind: fc.constant("flip" as const), at: fc.nat(2999) }),
      fc.record({ kind: fc.constant("replace" as const), bytes }),
    );
    const property = fc.asyncProperty(
      bytes,
      fc.array(fc.nat(3000), { maxLength: 3 }),
      fc.array(change, { maxLength: 3 }),
      fc.boolean(),
      async (original, at, changes, sized) => {
        const positions = at.map((each) => each % (original.length + 1));
        const head = headOf(original.subarray(0, HEAD_BYTES));
        const points = positions.map((position) => ({
          position,
          resume: { tail: original.toString("base64", Math.max(0, position - TAIL_BYTES), position) },
        }));
        let now = Buffer.from(original);
        for (const each of changes) {
          if (each.kind === "append") now = Buffer.concat([now, each.bytes]);
          else if (each.kind === "cut") now = now.subarray(0, each.at);
          else if (each.kind === "replace") now = each.bytes;
          else if (each.at < now.length) {
            now = Buffer.from(now);
            now[each.at]! ^= 1;
          }
        }
        const file = {
          read: (buffer: Buffer, offset: number, length: number, position: number) =>
            Promise.resolve({ bytesRead: now.copy(buffer, offset, position, position + length) }),
        };
        const seen = await examine(file, sized ? now.length : undefined, { head, points });
        const looksAt = [[0, head.length], ...positions.map((each) => [Math.max(0, each - TAIL_BYTES), each])] as [
          number,
          number,
        ][];
        const isEqual = looksAt.every(
          ([from, to]) => now.length >= to && now.subarray(from, to).equals(original.subarray(from, to)),
        );
        assert.equal(!seen.shorter && seen.headMatches && seen.tailsMatch, isEqual);
        if (sized && Math.max(0, ...positions) > now.length) assert.ok(seen.shorter);
      },
    );
    await fc.assert(property, { numRuns: 300 });
  });
});
