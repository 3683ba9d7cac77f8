import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { parseCefMessage } from "../../src/codec/cef/parse.ts";
import { parseUrlParts } from "../../src/codec/url.ts";
import { StageFailure } from "../../src/core/component.ts";
import { parseCef } from "../../src/stages/parse_cef/index.ts";
import { eventOf, stageOf } from "../support/stages.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 3, numRuns: 1_000_000 };

it("any line is CEF or says why not", () => {
  const stage = stageOf(parseCef, {});
  const piece = fc.constantFrom(
    "CEF:",
    "0",
    "|",
    "\\",
    "=",
    " ",
    "src=",
    "rt=",
    "1.2.3.4",
    "__proto__=",
    "\\=",
    "é",
    "\n",
    "10",
  );
  const line = fc.oneof(
    fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join("")),
    fc.array(piece, { maxLength: 20 }).map((pieces) => "CEF:0|a|b|c|d|e|5|" + pieces.join("")),
    fc.string(),
  );
  fc.assert(
    fc.property(line, (text) => {
      const event = eventOf(text);
      const before = JSON.stringify(event.toObject());
      if (stage.apply(event) instanceof StageFailure) assert.equal(JSON.stringify(event.toObject()), before);
    }),
    limits,
  );
  for (const each of ["a=", " a", "\\", "|", "a", " a=b"]) {
    const began = performance.now();
    stage.apply(eventOf("CEF:0|a|b|c|d|e|5|" + each.repeat(50_000)));
    stage.apply(eventOf("CEF:" + each.repeat(50_000)));
    assert.ok(performance.now() - began < 2000, each);
  }
});

it("CEF that is written as the format says is read back", () => {
  const part = fc.string({ unit: "grapheme", maxLength: 10 }).map((text) => text.trim());
  const values = fc.dictionary(fc.stringMatching(/^[a-z][A-Za-z0-9]{0,8}$/), part, { maxKeys: 5 });
  fc.assert(
    fc.property(fc.array(part, { minLength: 6, maxLength: 6 }), values, (header, extensions) => {
      const head = header.map((text) => text.replace(/[\\|]/g, "\\$&")).join("|");
      const tail = Object.entries(extensions).map(
        ([key, value]) => `${key}=${value.replace(/[\\=]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\r", "\\r")}`,
      );
      const message = parseCefMessage(`CEF:0|${head}|${tail.join(" ")}`);
      assert.ok(typeof message === "object", JSON.stringify(message));
      const { vendor, product, productVersion, eventClassId, name, severity } = message;
      assert.deepEqual([vendor, product, productVersion, eventClassId, name, severity], header);
      assert.deepEqual(message.extensions, Object.entries(extensions));
    }),
    limits,
  );
});

it("any text is a URL or says why not, and what the platform takes for a URL has the same parts", () => {
  fc.assert(
    fc.property(fc.oneof(fc.webUrl({ withQueryParameters: true, withFragments: true }), fc.string()), (text) => {
      const parts = parseUrlParts(text);
      if (typeof parts === "string" || !URL.canParse(text) || !/^https?:\/\/[a-z0-9.-]+\//.test(text)) return;
      const url = new URL(text);
      assert.equal(parts.domain?.toLowerCase(), url.hostname);
      if (url.href === text) assert.equal(parts.query ?? "", url.search.slice(1));
      assert.equal(parts.scheme, url.protocol.slice(0, -1));
    }),
    limits,
  );
});
