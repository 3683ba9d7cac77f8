import { join } from "node:path";
import type { Log } from "../core/component.ts";
import { errorMessage, WiretailError } from "../core/error.ts";
import { Journal, type JournalOptions } from "../disk/journal/journal.ts";
import type { Checkpoints, JournaledRouteBatch } from "./checkpoints.ts";
import { isRereadable, type HostConfig } from "./config/types.ts";

/**
 * Opens the journal of a state directory, says what was found and what was lost, and takes positions past what is in it,
 * so that nothing of that is read again. Undefined when the configuration wants none and none is there.
 */
export async function openJournal(
  config: HostConfig,
  checkpoints: Checkpoints,
  log: Log,
  options: Partial<JournalOptions> = {},
): Promise<Journal | undefined> {
  const { maxBytes } = config.journal;
  const folder = join(config.stateDir, "journal");
  if (maxBytes === 0) return undefined;
  const found: JournaledRouteBatch[] = [];
  const { journal, recovery } = await Journal.open({ folder, maxBytes, ...options }, ({ sequence, head }, cursors) => {
    const { partition, pipeline } = head;
    const end = { position: head.endPosition, resume: head.resume };
    for (const { sink, start } of head.readers)
      if (sequence >= (cursors.get(sink) ?? 0)) found.push({ sequence, partition, pipeline, sink, start, end });
  }).catch((error: unknown) => {
    throw new WiretailError("WT_STATE_UNWRITABLE", `cannot open the journal in ${folder}: ${errorMessage(error)}`, {
      cause: error,
    });
  });
  const { records, bytes, tornBytes, tornRecords, damagedBytes, lostRecords, cursorDamage } = recovery;
  if (records > 0) log.info("the journal holds events", { records, bytes });
  const rereadable = new Set(config.sources.filter(isRereadable).map(({ name }) => name));
  const { released, gaps } = checkpoints.foundInJournal(found, (source) => rereadable.has(source));
  for (const { sequence, sink } of released) journal.release(sequence, sink);
  if (tornBytes > 0) {
    const why = "a crash came while it was written; nothing relied on it";
    log.warn(`the end of the journal was cut off: ${gaps.length === 0 ? why : "it is damaged"}`, {
      ...{ bytes: tornBytes, records: tornRecords },
    });
  }
  if (damagedBytes > 0 || lostRecords > 0) {
    log.error("the journal is damaged: what its inputs still have is read again, the rest is lost", {
      ...{ bytes: damagedBytes, records: lostRecords },
    });
  }
  const again = gaps.filter(({ isReadAgain }) => isReadAgain);
  if (again.length > 0) {
    log.warn("the journal has no more what positions relied on: inputs are read again from there", {
      ...{ inputs: again.length, bytes: again.reduce((sum, { missing }) => sum + missing, 0) },
    });
  }
  const lost = new Set(gaps.filter(({ isReadAgain }) => !isReadAgain).map(({ source }) => source));
  for (const source of lost) log.error(`source "${source}" cannot read again what the journal lost: it is gone`);
  if (cursorDamage !== undefined) log.error(`${cursorDamage}: every sink begins at the oldest record of the journal`);
  return journal;
}
