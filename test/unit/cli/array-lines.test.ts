import assert from "node:assert/strict";
import { test } from "node:test";
import { joinedObjects } from "../../../src/cli/array-lines.ts";

async function joined(text: string): Promise<string[]> {
  const found: string[] = [];
  for await (const each of joinedObjects(lines(text))) found.push(each);
  return found;
}

async function* lines(text: string): AsyncGenerator<string> {
  yield* text.split("\n");
}

const OBJECTS = [{ a: { b: [1, { c: "}" }] } }, {}, { text: "x\ny [" }];

test("each object of a list that was printed over many lines is one event, however deep it is indented", async () => {
  for (const indent of [1, 2, 4, "\t"]) {
    const found = await joined(JSON.stringify(OBJECTS, null, indent));
    assert.deepEqual(
      found.map((each) => JSON.parse(each) as unknown),
      OBJECTS,
    );
  }
});

test("a list with an object a line gives them, too; lines that are no list pass as they are", async () => {
  assert.deepEqual(await joined('[\n{"a":1},\n{"a":2}\n]\n'), ['{"a":1}', '{"a":2}']);
  const plain = '{"a":1}\n[\n  {\n\nplain';
  assert.deepEqual(await joined(plain), plain.split("\n"));
  assert.deepEqual(await joined("[]"), ["[]"]);
});

test("the last object of a list that was cut is given as far as it goes", async () => {
  assert.deepEqual(await joined('[\n  {\n    "a": 1\n  },\n  {\n    "a"'), ['  {\n    "a": 1\n  }', '  {\n    "a"']);
});
