import { join } from "node:path";
import type { Log } from "../core/component.ts";
import { errorMessage, WiretailError } from "../core/error.ts";
import { Journal, type JournalOptions } from "../disk/journal/journal.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { HostConfig } from "./config/types.ts";
import { routeKey } from "./route-key.ts";

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
  const { journal, recovery } = await Journal.open({ folder, maxBytes, ...options }, ({ sequence, head }, cursors) => {
    const end = { position: head.endPosition, resume: head.resume };
    for (const { sink, start } of head.readers) {
      const isSettled = sequence < (cursors.get(sink) ?? 0);
      checkpoints.foundInJournal(head.partition, routeKey(head.pipeline, sink), start, end, isSettled);
    }
  }).catch((error: unknown) => {
    throw new WiretailError("WT_STATE_UNWRITABLE", `cannot open the journal in ${folder}: ${errorMessage(error)}`, {
      cause: error,
    });
  });
  const { records, bytes, tornBytes, tornRecords, damagedBytes, lostRecords, cursorDamage } = recovery;
  if (records > 0) log.info("the journal holds events", { records, bytes });
  if (tornBytes > 0) {
    log.warn("the end of the journal was cut off: a crash came while it was written; nothing relied on it", {
      ...{ bytes: tornBytes, records: tornRecords },
    });
  }
  if (damagedBytes > 0 || lostRecords > 0) {
    log.error("the journal is damaged: events that nobody else has are lost", {
      ...{ bytes: damagedBytes, records: lostRecords },
    });
  }
  if (cursorDamage !== undefined) log.error(`${cursorDamage}: every sink begins at the oldest record of the journal`);
  return journal;
}
