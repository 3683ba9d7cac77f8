import { mixedReply, type MixedReply } from "./mixed-reply.ts";

/** How far into a reply `errors` is looked for: it comes first, or after `took` where a server sends that. */
const HEAD_BYTES = 64;
const ALL_WELL = '{"errors":false}';
const FAILURE_STORE = Buffer.from('"failure_store":"used"');

/**
 * The text of a reply that came in pieces. Of a bulk reply that says that no item failed only that is given back: 20,000
 * items are 0.5 MB of `{"create":{"status":201}}`, which nobody needs as text or as objects. Unless documents went to the
 * failure store, which is no error to the server. One in which some items failed is read already (mixedReply).
 */
export function replyText(chunks: readonly Buffer[]): string | MixedReply {
  const head = chunks[0]?.subarray(0, HEAD_BYTES);
  if (head?.includes('"errors":false') === true && !mentions(chunks, FAILURE_STORE)) return ALL_WELL;
  const reply = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  return mixedReply(reply) ?? reply.toString();
}

/** Whether the pieces, put together, contain the bytes. */
function mentions(chunks: readonly Buffer[], wanted: Buffer): boolean {
  const most = wanted.length - 1;
  /** The end of all before, not long enough for the whole of it. */
  let end: Buffer = Buffer.alloc(0);
  for (const chunk of chunks) {
    if (chunk.includes(wanted)) return true;
    const edge = Buffer.concat([end, chunk.subarray(0, most)]);
    if (edge.includes(wanted)) return true;
    end = (chunk.length >= most ? chunk : edge).subarray(-most);
  }
  return false;
}
