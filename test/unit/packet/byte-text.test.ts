import assert from "node:assert/strict";
import { it } from "node:test";
import { formatHex } from "../../../src/packet/address.ts";
import { ByteText } from "../../../src/packet/byte-text.ts";

it("numbers and pieces are written as text has them, and a text may outgrow its first memory", () => {
  const text = new ByteText();
  const numbers = [0, 9, 10, 99, 100, 65_535, 999_999_999, 1_000_000_000, 2 ** 31, 2 ** 32 - 1];
  let expected = "";
  for (let round = 0; round < 2000; round++) {
    text.reserve(200);
    for (const number of numbers) {
      text.putNumber(number);
      text.putByte(0x2c);
    }
    text.putDigits(42, 9);
    text.put(Buffer.from("é"));
    text.add("{ü}");
    expected += `${numbers.join(",")},000000042é{ü}`;
  }
  assert.equal(text.text(false), expected);
  assert.equal(text.length, Buffer.byteLength(expected));
  text.clear();
  text.add("ascii");
  assert.equal(text.text(true), "ascii");
  assert.equal(text.bytes.toString(), "ascii");
});

it("a word is written as eight digits whatever its sign", () => {
  for (const word of [0, 1, -1, 0x12345678, -0x80000000, 0xdeadbeef]) {
    assert.equal(formatHex(word), (word >>> 0).toString(16).padStart(8, "0"));
  }
});
