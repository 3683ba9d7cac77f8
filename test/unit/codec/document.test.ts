import assert from "node:assert/strict";
import { test } from "node:test";
import { documentMembers, lineFrame, quote } from "../../../src/codec/document.ts";
import { LogEvent, type Envelope } from "../../../src/core/event.ts";
import { Path } from "../../../src/core/path.ts";

const TIME_MS = Date.UTC(2019, 11, 11, 20, 47, 14, 285);

function envelope(fields: Readonly<Record<string, unknown>>, offset: string | undefined): Envelope {
  return {
    paths: Object.keys(fields).map((name) => new Path(name)),
    values: Object.values(fields),
    offsetPath: offset === undefined ? undefined : new Path(offset),
  };
}

const FILE = { "host.name": "web-1", "ecs.version": "8.17.0", "log.file.path": '/var/log/a "b".log' };
const ENVELOPES: readonly (readonly [string, Envelope])[] = [
  ["a file's fields and offset", envelope(FILE, "log.offset")],
  ["no fields at all", envelope({}, undefined)],
  ["an offset alone", envelope({}, "log.offset")],
  ["an offset at the top", envelope(FILE, "offset")],
  ["fields without an offset", envelope(FILE, undefined)],
  ["fields below message", envelope({ "message.kind": "x" }, "message.offset")],
];

for (const [title, fields] of ENVELOPES) {
  for (const line of ["plain", 'quotes " and \\ and \t and é', "", "\u0001\u0002"]) {
    test(`a raw line (${JSON.stringify(line)}) in its frame is the document of an untouched event: ${title}`, () => {
      const event = new LogEvent(line, TIME_MS, 4711, fields);
      const { head, middle, tail, hasOffset } = lineFrame(fields, TIME_MS);
      const framed = `{${head}${quote(line)}${middle}${hasOffset ? String(event.offset) : ""}${tail}`;
      assert.ok(framed.endsWith("}\n"));
      assert.deepEqual(JSON.parse(framed), event.toObject());
      assert.deepEqual(JSON.parse(`{${documentMembers(event)}`), event.toObject());
    });
  }
}
