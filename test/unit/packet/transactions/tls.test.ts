import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Conversation, transactionsOf } from "../../../support/conversation.ts";
import { join, u16, u8 } from "../../../support/frames.ts";

const record = (type: number, payload: Uint8Array): Buffer => join(u8(type, 3, 3), u16(payload.length), payload);
const message = (type: number, body: Uint8Array): Buffer => join(u8(type, 0), u16(body.length), body);
const extension = (type: number, value: Uint8Array): Buffer => join(u16(type, value.length), value);

function clientHello(name: string, sessionId = Buffer.alloc(0)): Buffer {
  const named = join(u16(name.length + 3), u8(0), u16(name.length), Buffer.from(name));
  const extensions = join(extension(0, named), extension(43, u8(4, 3, 4, 3, 3)));
  const ciphers = u16(4, 0x1301, 0xc02f);
  const head = join(u16(0x0303), Buffer.alloc(32, 1), u8(sessionId.length), sessionId);
  return message(1, join(head, ciphers, u8(1, 0), u16(extensions.length), extensions));
}

function serverHello(version: 0x0303 | 0x0304, sessionId = Buffer.alloc(0)): Buffer {
  const extensions = version === 0x0304 ? extension(43, u16(0x0304)) : Buffer.alloc(0);
  const head = join(u16(0x0303), Buffer.alloc(32, 2), u8(sessionId.length), sessionId);
  return message(2, join(head, u16(version === 0x0304 ? 0x1301 : 0xc02f), u8(0), u16(extensions.length), extensions));
}

const CHANGE = record(20, u8(1));
const data = (size: number): Buffer => record(23, Buffer.alloc(size));

describe("TLS", () => {
  it("is one document a connection, with the time from hello to hello, however hellos are cut", () => {
    const hello = clientHello("web.test");
    for (const [recordBytes, segmentBytes] of [
      [hello.length, 1400],
      [10, 7],
      [hello.length, 1],
    ] as const) {
      const talk = new Conversation(4443).open();
      for (let at = 0; at < hello.length; at += recordBytes)
        talk.ask(record(22, hello.subarray(at, at + recordBytes)), segmentBytes);
      const asked = talk.ms - 1;
      talk
        .answer(join(record(22, serverHello(0x0304)), data(500)))
        .ask(data(60))
        .answer(data(100))
        .close();
      const { documents } = transactionsOf(talk.frames);
      assert.deepEqual([documents.length, documents[0]!.type, documents[0]!.status], [1, "tls", "OK"]);
      const { tls, event } = documents[0]!;
      assert.deepEqual([tls.client!.server_name, tls.version, tls.established], ["web.test", "1.3", true]);
      assert.equal(event.duration, 1_000_000);
      assert.equal(Date.parse(event.start) - 1_700_000_000_000, asked);
    }
  });

  it("1.2 is through when both sides have changed to ciphers, and tells whether a session goes on", () => {
    for (const [id, isResumed] of [
      [Buffer.alloc(32, 7), true],
      [Buffer.alloc(32, 8), false],
    ] as const) {
      const talk = new Conversation(443).open().ask(record(22, clientHello("a.test", Buffer.alloc(32, 7))));
      talk
        .answer(join(record(22, serverHello(0x0303, id)), CHANGE))
        .ask(CHANGE)
        .close();
      const { tls } = transactionsOf(talk.frames).documents[0]!;
      assert.deepEqual([tls.version, tls.established, tls.resumed], ["1.2", true, isResumed]);
    }
  });

  it("that fails says who ended it, and why", () => {
    const begun = (): Conversation => new Conversation(443).open().ask(record(22, clientHello("a.test")));
    const refused = begun()
      .answer(record(21, u8(2, 40)))
      .close();
    const unknownCa = begun()
      .answer(record(22, serverHello(0x0303)))
      .ask(record(21, u8(2, 48)))
      .close();
    const failures = [refused, unknownCa, begun().reset(), begun()].map(
      ({ frames }) => transactionsOf(frames).documents[0]!,
    );
    assert.deepEqual(
      failures.map(({ status, tags, error }) => [status, tags?.[0], error.message]),
      [
        ["Error", "unanswered", "the server says handshake_failure"],
        ["Error", undefined, "the client says unknown_ca"],
        ["Error", "unanswered", "the connection was reset"],
        ["Error", "unanswered", "the connection ended before the handshake was through"],
      ],
    );
  });

  it("whose ClientHello was not captured is told by the server's answer", () => {
    const talk = new Conversation(443).open().answer(join(record(22, serverHello(0x0303)), CHANGE));
    const { documents } = transactionsOf(talk.ask(CHANGE).frames);
    assert.deepEqual([documents[0]!.tags, documents[0]!.event.duration], [["no_request"], undefined]);
    assert.equal(documents[0]!.server!.port, 443);
  });
});
