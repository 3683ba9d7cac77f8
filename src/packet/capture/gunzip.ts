import { createGunzip } from "node:zlib";

/** Compressed bytes at a time: they may become a thousand times as many. */
const SLICE_BYTES = 16 * 1024;

/**
 * The chunks of a stream, decompressed if they are gzip (RFC 1952, several members too), else as they are. Everything
 * that can be decompressed is yielded before a damaged or cut stream throws (the system's zlib error).
 */
export async function* gunzipped(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = input[Symbol.asyncIterator]();
  try {
    let head: Uint8Array = new Uint8Array(0);
    while (head.length < 2) {
      const next = await iterator.next();
      if (next.done === true) break;
      head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
    }
    if (head[0] !== 0x1f || head[1] !== 0x8b) {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
      return;
    }
    yield* inflate(head, iterator);
  } finally {
    await iterator.return?.();
  }
}

async function* inflate(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const gunzip = createGunzip();
  // A stream that is read by iteration forgets what it holds when it fails: so take what comes as it comes.
  let ready: Uint8Array[] = [];
  gunzip.on("data", (chunk: Uint8Array) => ready.push(chunk));
  const failed = new Promise<Error>((resolve) => gunzip.once("error", resolve));
  const ended = new Promise<undefined>((resolve) => gunzip.once("end", () => resolve(undefined)));
  try {
    let chunk: Uint8Array | undefined = head;
    while (chunk !== undefined) {
      for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
        const slice = chunk.subarray(at, at + SLICE_BYTES);
        const written = new Promise<Error | undefined>((resolve) =>
          gunzip.write(slice, (error) => resolve(error ?? undefined)),
        );
        const error = await Promise.race([failed, written]);
        yield* ready;
        ready = [];
        if (error !== undefined) throw error;
      }
      const next = await rest.next();
      chunk = next.done === true ? undefined : next.value;
    }
    gunzip.end();
    const error = await Promise.race([failed, ended]);
    yield* ready;
    if (error !== undefined) throw error;
  } finally {
    gunzip.destroy();
  }
}
