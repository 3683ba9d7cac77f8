import type { ResumePoint } from "../../core/component.ts";

/** What a look at a file showed, compared with what is kept of a generation. */
export interface Evidence {
  readonly samePath: boolean;
  readonly sameInode: boolean;
  /** It was made at the same moment. Undefined where the file system does not say. */
  readonly sameBirth: boolean | undefined;
  /** It is a gzip file, and what is compared is what it unpacks to. */
  readonly compressed: boolean;
  /** It ends before a place up to which the generation was read. */
  readonly shorter: boolean;
  readonly headMatches: boolean;
  readonly tailsMatch: boolean;
  /** There was content to compare: something of it was read. */
  readonly proven: boolean;
}

/** docs/files.md has them as a table, and a test compares. */
export type Rule =
  | "same_file"
  | "rotated_file"
  | "copied_file"
  | "compressed_file"
  | "truncated_file"
  | "rewritten_file"
  | "new_file_at_old_inode"
  | "other_file";

/**
 * Whether a file is the one that a generation was read from. Only the first four rules mean that it is. Device and
 * inode alone prove nothing: they are reused after deletion, and stay after truncation.
 */
export function decide(evidence: Evidence): Rule {
  const { samePath, sameInode, sameBirth, compressed, shorter, headMatches, tailsMatch, proven } = evidence;
  const fits = !shorter && headMatches && tailsMatch;
  if (compressed || !sameInode) {
    if (!fits || !proven) return "other_file";
    return compressed ? "compressed_file" : "copied_file";
  }
  if (fits && (proven || sameBirth !== false)) return samePath ? "same_file" : "rotated_file";
  if (sameBirth === false) return "new_file_at_old_inode";
  if (shorter) return "truncated_file";
  return sameBirth === true ? "rewritten_file" : "new_file_at_old_inode";
}

export function isSame(rule: Rule): boolean {
  return rule === "same_file" || rule === "rotated_file" || rule === "copied_file" || rule === "compressed_file";
}

/** Whether the rule says that the known content was there, in this very file, and was overwritten or cut off. */
export function isCutOff(rule: Rule): boolean {
  return rule === "truncated_file" || rule === "rewritten_file";
}

/** What a decision rests on, for the log: one short text a fact. */
export function evidenceFields(
  rule: Rule,
  evidence: Evidence,
  seen: { readonly key: string; readonly size: number },
  kept: {
    readonly key: string;
    readonly head: { readonly length: number; readonly hash: string };
    readonly points: readonly ResumePoint[];
  },
): Record<string, string | number> {
  const { sameInode, sameBirth, headMatches, tailsMatch, proven, shorter } = evidence;
  const match = (fits: boolean): string => (fits ? "matches" : "differs");
  const positions = [...new Set(kept.points.map((point) => point.position))].sort((a, b) => a - b);
  return {
    rule,
    inode: sameInode ? `${seen.key} as before` : `${seen.key}, was ${kept.key}`,
    ...(sameBirth === undefined ? {} : { made: sameBirth ? "as before" : "at another time" }),
    fingerprint:
      kept.head.length === 0 ? "none" : `${kept.head.hash} of ${kept.head.length} bytes ${match(headMatches)}`,
    tail: !proven ? "none" : shorter ? "not reached" : match(tailsMatch),
    size: seen.size,
    positions: positions.join() || "none",
  };
}
