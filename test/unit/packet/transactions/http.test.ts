import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Conversation, transactionsOf } from "../../../support/conversation.ts";

const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: web.test\r\n${more}\r\n`;
const ok = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const CHUNKED =
  "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: z\r\n\r\n";

describe("HTTP", () => {
  it("is paired in its order, however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 }), (asked, answered) => {
        const talk = new Conversation().open();
        talk.ask(get("/one") + get("/two") + get("/three"), asked);
        talk.answer(ok("hello") + CHUNKED + ok(""), answered).close();
        const { documents } = transactionsOf(talk.frames);
        assert.deepEqual(
          documents.map((each) => [each.url.path, each.http.response.status_code, each.http.response.body.bytes]),
          [
            ["/one", 200, 5],
            ["/two", 404, 5],
            ["/three", 200, 0],
          ],
        );
      }),
      { numRuns: 60 },
    );
  });

  it("without an answer is reported when the connection ends", () => {
    const { documents } = transactionsOf(new Conversation().open().ask(get("/lost")).reset().frames);
    assert.deepEqual([documents.length, documents[0]!.tags, documents[0]!.status], [1, ["unanswered"], "Error"]);
    assert.match(documents[0]!.error.message, /was reset/);
  });

  it("counts a body that ends with its connection, and what a gap within a body hides", () => {
    const untilClose = new Conversation().open().ask(get("/a")).answer("HTTP/1.0 200 OK\r\n\r\nrest of it").close();
    assert.equal(transactionsOf(untilClose.frames).documents[0]!.http.response.body.bytes, 10);
    const talk = new Conversation()
      .open()
      .ask(get("/b"))
      .answer(ok("x".repeat(5000)), 1000)
      .close();
    const lost = talk.frames.filter((_, i) => i !== 6);
    const { documents, counters } = transactionsOf(lost);
    assert.equal(documents[0]!.http.response.body.bytes, 5000);
    assert.equal(counters["transactions_gaps"], 1);
  });

  it("of which the capture lacks the end is reported a second after both sides have ended, up to its last bytes", () => {
    const talk = new Conversation()
      .open()
      .ask(get("/a"))
      .answer(ok("x".repeat(3000)), 1000);
    const lastMs = talk.ms - 1;
    talk.ms += 50;
    talk.close();
    // One of the segments in the middle was not captured; another host's packets let time go by.
    const later = new Conversation(81, { ms: talk.ms + 1500 }).open();
    const { documents, counters } = transactionsOf([...talk.frames.filter((_, i) => i !== 5), ...later.frames]);
    assert.deepEqual([documents.length, counters["transactions_connections_open"]], [1, 0]);
    assert.equal(Date.parse(documents[0]!.event.end!) - 1_700_000_000_000, lastMs);
    assert.equal(documents[0]!.http.response.body.bytes, 3000);
  });

  it("tells no credentials unless it is asked to", () => {
    const secret = "opensesame";
    const request = get(
      `/x?password=${secret}&page=2`,
      `Authorization: Basic ${Buffer.from(`jane:${secret}`).toString("base64")}\r\nCookie: sid=${secret}\r\nReferer: http://u:${secret}@a.test/#access_token=${secret}\r\n`,
    );
    const response = `HTTP/1.1 204 No Content\r\nSet-Cookie: sid=${secret}; HttpOnly\r\nLocation: /y?token=${secret}\r\n\r\n`;
    const { frames } = new Conversation().open().ask(request).answer(response).close();
    const hidden = JSON.stringify(transactionsOf(frames).documents);
    assert.ok(!hidden.includes(secret) && !hidden.includes(Buffer.from(`jane:${secret}`).toString("base64")), hidden);
    assert.ok(hidden.includes('"name":"jane"') && hidden.includes("page=2"));
    assert.ok(JSON.stringify(transactionsOf(frames, { show_credentials: true }).documents).includes(`sid=${secret}`));
  });

  it("is read on ports that are used again, and goes on through numbers that wrap around", () => {
    const first = new Conversation(80, { first: [0xffffffe0, 0xfffffff0] }).open().ask(get("/a")).answer(ok("1"));
    const second = new Conversation(80, { ms: 1000, first: [77, 99] }).open().ask(get("/b")).answer(ok("2")).close();
    const { documents } = transactionsOf([...first.frames, ...second.frames]);
    assert.deepEqual(
      documents.map(({ url, status }) => [url.path, status]),
      [
        ["/a", "OK"],
        ["/b", "OK"],
      ],
    );
  });
});
