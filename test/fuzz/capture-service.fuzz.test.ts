import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { it, type TestContext } from "node:test";
import fc from "fast-check";
import { WiretailError } from "../../src/core/error.ts";
import { packetDefaults } from "../../src/sources/packet/options.ts";
import { parseEnd, ServiceCapture } from "../../src/sources/packet/service/client.ts";
import { FRAME, frameHeader, FrameReader } from "../../src/sources/packet/service/frames.ts";
import { parseRequest } from "../../src/sources/packet/service/server.ts";
import { temporaryFolder } from "../support/folders.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 4, numRuns: 10_000_000, markInterruptAsFailure: false };

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((each) => Buffer.from(each.buffer, each.byteOffset, each.length));
const frame = fc.tuple(fc.constantFrom(FRAME.capture, FRAME.line, FRAME.end), bytes(300));
/** What a service may send, spoilt here and there. */
const damaged = fc
  .tuple(fc.array(frame, { maxLength: 8 }), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), bytes(20))
  .map(([frames, changes, tail]) => {
    const sent = Buffer.concat([
      ...frames.flatMap(([kind, payload]) => [frameHeader(kind, payload.length), payload]),
      tail,
    ]);
    for (const [at, value] of changes) if (sent.length > 0) sent[at % sent.length] = value;
    return sent;
  });

/** In pieces of the sizes given, again and again. */
function pieces(whole: Buffer, sizes: readonly number[]): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0, i = 0; at < whole.length; i++) {
    const size = sizes.length === 0 ? whole.length : sizes[i % sizes.length]!;
    found.push(whole.subarray(at, at + size));
    at += size;
  }
  return found;
}

it("frames are the same however they are cut, and what is none is refused by an error of ours", () => {
  const read = (chunks: readonly Buffer[]): unknown[] => {
    const reader = new FrameReader();
    const found: unknown[] = [];
    try {
      for (const chunk of chunks)
        for (const { kind, payload } of reader.read(chunk)) found.push([kind, payload.toString("hex")]);
    } catch (error) {
      assert.ok(error instanceof WiretailError, String(error));
      found.push("refused");
    }
    return found;
  };
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 5 });
  fc.assert(
    fc.property(damaged, sizes, (sent, cut) => assert.deepEqual(read(pieces(sent, cut)), read([sent]))),
    limits,
  );
});

it("requests are taken within their bounds, whatever they are", () => {
  const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(64, 96, 262_144, 1 << 20));
  const value = fc.oneof(number, fc.boolean(), fc.string(), fc.constant(null));
  const request = fc.record(
    { snap_length: value, promiscuous: value, buffer_bytes: value, filter: value },
    { requiredKeys: [] },
  );
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    request.map((each) => JSON.stringify(each)),
  );
  fc.assert(
    fc.property(text, (each) => {
      const taken = parseRequest(each);
      if (taken === undefined) return;
      assert.ok(taken.snap_length >= 64 && taken.snap_length <= 262_144 && taken.buffer_bytes <= 2 ** 30);
      assert.equal(typeof taken.promiscuous, "boolean");
      assert.ok(taken.filter === undefined || typeof taken.filter === "string");
    }),
    limits,
  );
  fc.assert(
    fc.property(text, (each) => assert.equal(typeof parseEnd(each).text, "string")),
    limits,
  );
});

it("a capture from a service that sends anything ends, and says how", async (t) => {
  let sent = Buffer.alloc(0);
  const { server, path } = await listen(t, () => sent);
  await fc.assert(
    fc.asyncProperty(damaged, async (each) => {
      sent = each;
      const capture = new ServiceCapture(path, packetDefaults(), () => undefined);
      let length = 0;
      for await (const chunk of capture.stdout) length += chunk.length;
      assert.ok(length <= each.length);
      const { ok, isMissing, text } = await capture.ended;
      assert.deepEqual([typeof ok, typeof isMissing, typeof text], ["boolean", "boolean", "string"]);
    }),
    limits,
  );
  server.close();
});

/** A socket where everybody is sent the same and the connection ended. */
async function listen(t: TestContext, answer: () => Buffer): Promise<{ server: Server; path: string }> {
  const path = join(await temporaryFolder(t), "capture.sock");
  const server = createServer((socket) => {
    socket.on("error", () => undefined).resume();
    socket.end(answer());
  });
  server.listen(path);
  await once(server, "listening");
  t.after(() => server.close());
  return { server, path };
}
