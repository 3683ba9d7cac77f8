import { createHash } from "node:crypto";

/** An event that could not go on, with all that is needed to mend and send it again. One JSON object a line. */
export interface DeadLetter {
  /** When it was put here, ISO 8601. */
  readonly at: string;
  readonly pipeline: string;
  /** The sink that refused it, and what the sink is, whatever its name. */
  readonly sink?: string;
  readonly sink_identity?: string;
  /** Where in the sink a stage sent it, where that is not the sink's own place: JSON text. */
  readonly destination?: string;
  /** The stage (`2 parse_nginx`) that failed, and the sinks that did not get the event because of it, with their identities. */
  readonly stage?: string;
  readonly to?: Readonly<Record<string, string>>;
  readonly reason: string;
  readonly source: string;
  /** The event's id, and its `@timestamp`. */
  readonly id: string;
  readonly time: string;
  /** The text as it was read, where it is known. */
  readonly original?: string;
  /** `original` is a JSON object that the source made, not a line. */
  readonly is_document?: true;
  /** The fields that every event of its input has, by name, and where its position is written. */
  readonly envelope?: Readonly<Record<string, unknown>>;
  readonly offset_field?: string;
  /** The document as the sink was given it, or as it was when the stage failed. */
  readonly event?: unknown;
  /** The text that the sink was given, where its documents are not JSON. */
  readonly text?: string;
  /** How often it was replayed in vain. */
  readonly replays?: number;
}

/** What makes a letter the same letter: the event, what refused it, and for a stage which sinks it stands for. */
export function letterKeys(letter: DeadLetter): string[] {
  if (letter.sink !== undefined) return [`${letter.id} sink ${letter.sink_identity ?? letter.sink}`];
  const to = Object.values(letter.to ?? {});
  return to.length === 0 ? [`${letter.id} stage`] : to.map((identity) => `${letter.id} stage ${identity}`);
}

/** A short name of a letter for people and commands: the same as long as it lies there. 12 characters. */
export function letterName(letter: DeadLetter): string {
  return createHash("sha256").update(letterKeys(letter).join("\n")).digest("base64url").slice(0, 12);
}

/** Reads a line of a dead letter file; undefined for what is none. */
export function parseLetter(line: string): DeadLetter | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const letter = value as Partial<Record<keyof DeadLetter, unknown>>;
  for (const name of ["at", "pipeline", "reason", "source", "id", "time"] as const)
    if (typeof letter[name] !== "string") return undefined;
  for (const name of ["sink", "sink_identity", "stage", "original", "text", "offset_field", "destination"] as const)
    if (letter[name] !== undefined && typeof letter[name] !== "string") return undefined;
  if (letter.is_document !== undefined && letter.is_document !== true) return undefined;
  for (const name of ["to", "envelope"] as const)
    if (letter[name] !== undefined && (typeof letter[name] !== "object" || letter[name] === null)) return undefined;
  return value as DeadLetter;
}
