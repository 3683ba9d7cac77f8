import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { transactionsOf, type TimedFrame } from "../../../support/conversation.ts";
import { arpFor, datagram, dhcp, dhcpFrame, dns, echo, neighbour, ntp } from "../../../support/messages.ts";

/** The n-th question of a kind, or the answer to it. */
type Message = (isQuestion: boolean, n: number) => Uint8Array;

const KINDS: Readonly<Record<string, Message>> = {
  dns: (isQuestion, n) => datagram(isQuestion, [4000, 53], dns(n, `host${n}.test`, isQuestion ? undefined : 0)),
  llmnr: (isQuestion, n) => datagram(isQuestion, [4000, 5355], dns(n, `host${n}`, isQuestion ? undefined : 0)),
  dhcp: (isQuestion, n) => dhcpFrame(isQuestion, dhcp(isQuestion ? "request" : "ack", n)),
  ntp: (isQuestion, n) => datagram(isQuestion, [4000, 123], ntp(isQuestion, n)),
  echo: (isQuestion, n) => echo(4, isQuestion, n),
  "echo of IPv6": (isQuestion, n) => echo(6, isQuestion, n),
  neighbour,
  arp: (isQuestion, n) => arpFor(isQuestion, n),
};

for (const [kind, message] of Object.entries(KINDS)) {
  const ask = (ms: number, n = 2): TimedFrame => ({ ms, frame: message(true, n) });
  const answer = (ms: number, n = 2): TimedFrame => ({ ms, frame: message(false, n) });

  describe(kind, () => {
    it("is a pair with the time from the question to the answer", () => {
      const { documents, counters } = transactionsOf([ask(0), answer(12)]);
      const [found] = documents;
      assert.deepEqual([documents.length, found!.status, found!.tags], [1, "OK", undefined]);
      assert.equal(found!.event.duration, 12_000_000);
      assert.deepEqual(
        [found!.event.start, found!.event.end],
        ["2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.012Z"],
      );
      assert.equal(found!["@timestamp"], found!.event.start);
      assert.deepEqual([counters["transactions"], counters["transactions_open"]], [1, 0]);
    });

    it("asked again is one question, which began the first time, and answered again is one answer", () => {
      const { documents, counters } = transactionsOf([ask(0), ask(1000), answer(1500), answer(1600)]);
      assert.deepEqual(
        documents.map(({ event }) => event.duration),
        [1_500_000_000],
      );
      assert.equal(counters["transactions_repeated_questions"], 2);
    });

    it("asked anew after its answer is another question", () => {
      const { documents } = transactionsOf([ask(0), answer(5), ask(20), answer(27)]);
      assert.deepEqual(
        documents.map(({ event }) => event.duration),
        [5_000_000, 7_000_000],
      );
    });

    it("without an answer is reported when the capture's time is up, and an answer that is later is none", () => {
      const { documents } = transactionsOf([ask(0), ask(501, 3), answer(502)], { answer_timeout_ms: 500 });
      const [given, late] = documents;
      assert.deepEqual([given!.tags, given!.status, given!.event.end], [["unanswered"], "Error", undefined]);
      assert.equal(given!.error.message, "no answer within 0.5 s");
      // Neighbours also tell what nobody has asked for.
      if (kind !== "neighbour") assert.deepEqual([late!.tags, late!.event.duration], [["no_request"], undefined]);
    });

    it("is paired up to the last millisecond of that time", () => {
      const { documents } = transactionsOf([ask(0), answer(500)], { answer_timeout_ms: 500 });
      assert.equal(documents[0]!.event.duration, 500_000_000);
    });

    it("that is open when the capture ends is reported then", () => {
      const { documents } = transactionsOf([ask(0), ask(1, 3), answer(2, 3)]);
      assert.deepEqual(
        documents.map(({ status, error }) => [status, (error as typeof error | undefined)?.message]),
        [
          ["OK", undefined],
          ["Error", "no answer before the capture ended"],
        ],
      );
    });

    it("is given up for a newer one where too many are open, and that is counted", () => {
      const { documents, counters } = transactionsOf([ask(0), ask(1, 3), ask(2, 4), answer(3, 4), answer(4)], {
        max_open: 1,
      });
      assert.equal(counters["transactions_evicted"], 2);
      assert.match(documents[0]!.error.message, /too many open questions/);
      assert.equal(documents.filter(({ status }) => status === "OK").length, 1);
    });
  });
}
