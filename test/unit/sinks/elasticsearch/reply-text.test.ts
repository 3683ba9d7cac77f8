import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mixedReply } from "../../../../src/sinks/elasticsearch/mixed-reply.ts";
import { replyText } from "../../../../src/sinks/elasticsearch/reply-text.ts";

const WELL = '{"errors":false}';
const item = '{"create":{"status":201}}';

/** The text cut at these places. */
function pieces(text: string, cuts: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const places = [0, ...[...cuts].sort((a, b) => a - b).map((cut) => cut % (bytes.length + 1)), bytes.length];
  places.sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

test("of a reply only that all is well is read when it says so at its beginning", () => {
  for (const [text, expected] of [
    [`{"errors":false,"items":[${item}]}`, WELL],
    [`{"took":1,"errors":false,"items":[${item}]}`, WELL],
    [`{"took":1,"errors":true,"items":[]}`, undefined],
    [`{"errors":true,"items":[${item}],"more":1}`, undefined],
    [`{"items":[${`${item},`.repeat(3)}{}],"errors":false}`, undefined],
    [`{"errors":false,"items":[{"create":{"status":201,"failure_store":"used"}}]}`, undefined],
    ['{"name":"größe"}', undefined],
    ["", undefined],
  ] as const) {
    assert.equal(replyText([Buffer.from(text)]), expected ?? text);
  }
  assert.equal(replyText([]), "");
});

test("it does not matter where a reply is cut into pieces", () => {
  const used = `{"errors":false,"items":[${item},{"create":{"status":201,"failure_store":"used"}},${item},{"größe":1}]}`;
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 12 }), (cuts) => {
      // The head is looked for in the first piece alone: servers send much more than it at once.
      const [first, ...rest] = pieces(used.slice(16), cuts);
      const head = Buffer.concat([Buffer.from(used.slice(0, 16)), first ?? Buffer.alloc(0)]);
      assert.equal(replyText([head, ...rest]), used);
      const mixed = used.replace("false", "true");
      assert.deepEqual(replyText(pieces(mixed, cuts)), mixedReply(Buffer.from(mixed)));
    }),
  );
});
