import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineSplitter, type SplitEnd } from "../../../src/codec/lines.ts";
import {
  encodingOf,
  encodingOption,
  ENCODINGS,
  mayBecomeMark,
  textEncoding,
} from "../../../src/codec/text-encoding.ts";

/** What Python's codecs make of texts. */
const SAMPLES: readonly (readonly [name: string, hex: string, text: string])[] = [
  [
    "shift_jis",
    "3230323620955c8ea6835c945c2083478389815b0d0a93fa967b8cea20caddb6b80a6162630a",
    "2026 表示ソ能 エラー\r\n日本語 ﾊﾝｶｸ\nabc\n",
  ],
  ["euc-jp", "c6fccbdcb8eca4cea5eda5b00aa5a8a5e9a1bc20c9bd0a", "日本語のログ\nエラー 表\n"],
  ["gbk", "b4edcef3a3bacec4bcfeb2bbb4e6d4da0d0abeafb8e620e9460a", "错误：文件不存在\r\n警告 镕\n"],
  ["gb18030", "b4edcef3a3ba9439fc36200abeafb8e60a", "错误：😀 \n警告\n"],
  ["big5", "bff9bb7e20a55cb35cbb5c0ac4b5a7690a", "錯誤 功許蓋\n警告\n"],
  ["euc-kr", "bfc0b7f9b0a120b9dfbbfdc7dfbdc0b4cfb4d90ab0e6b0ed0a", "오류가 발생했습니다\n경고\n"],
  ["koi8-r", "efdbc9c2cbc10af0d2c5c4d5d0d2c5d6c4c5cec9c520a3b30a", "Ошибка\nПредупреждение ёЁ\n"],
  ["windows-1251", "cef8e8e1eae020b9310aa8e60a", "Ошибка №1\nЁж\n"],
  ["windows-1252", "352080209620936e61ef7665940d0afc0a", "5 € – “naïve”\r\nü\n"],
  ["windows-1250", "9e6c759d6f75e86bfd206bf9f20a9f0a", "žluťoučký kůň\nź\n"],
  ["windows-1253", "d3f6dcebece10a", "Σφάλμα\n"],
  ["iso-8859-15", "3520a420bd0a", "5 € œ\n"],
  ["ibm866", "8ee8a8a1aaa00a", "Ошибка\n"],
  ["macintosh", "8eb00a", "é∞\n"],
  ["latin1", "6772fc6e800a", "grün\n"],
  ["windows-874", "a2e9cdbcd4b4bec5d2b40a", "ข้อผิดพลาด\n"],
  ["iso-8859-2", "be6c75bb0a", "žluť\n"],
];

/** All events of bytes that come in pieces of a size, as [offset, text, flag]. */
function eventsOf(bytes: Buffer, name: string, size: number, maxLineBytes = 1024, last: SplitEnd = "all") {
  const splitter = new LineSplitter({ maxLineBytes, encoding: textEncoding(name) });
  const events: [number, string, string | undefined][] = [];
  let position = 0;
  let dropped = 0;
  for (let seen = Math.min(size, bytes.length); ; seen = Math.min(bytes.length, seen + size)) {
    for (;;) {
      const split = splitter.split(
        Buffer.from(bytes.subarray(position, seen)),
        position,
        seen === bytes.length ? last : "open",
      );
      for (let i = 0; i < split.count; i++)
        events.push([split.offsets[i]!, split.text.slice(split.starts[i], split.ends[i]), split.flags?.get(i)?.join()]);
      position += split.consumed;
      dropped += split.dropped;
      if (split.consumed === 0) break;
    }
    if (seen === bytes.length) return { events, position, dropped, splitter };
  }
}

describe("text in other encodings", () => {
  for (const [name, hex, text] of SAMPLES) {
    it(`${name} becomes the text that was written, however it is cut, at exact byte offsets`, () => {
      const bytes = Buffer.from(hex, "hex");
      for (let size = 1; size <= bytes.length; size++) {
        const { events } = eventsOf(bytes, name, size);
        assert.deepEqual(
          events.map(([, line]) => line),
          text.replaceAll("\r", "").split("\n").slice(0, -1),
        );
        for (const [offset] of events) assert.ok(offset === 0 || bytes[offset - 1] === 10);
      }
    });
  }

  for (const [name, order] of [
    ["utf-16le", (bytes: Buffer) => bytes],
    ["utf-16be", (bytes: Buffer) => bytes.swap16()],
  ] as const) {
    it(`${name}: line ends are units, not bytes; the mark belongs to no event; offsets count bytes`, () => {
      const text = "\ufeffeins\r\nਊ\u0d0d\u0a00\n\n😀 zwei\nhalb";
      const bytes = order(Buffer.from(text, "utf16le"));
      for (let size = 1; size <= bytes.length; size++) {
        const { events, position } = eventsOf(bytes, name, size);
        assert.deepEqual(events, [
          [0, "eins", undefined],
          [14, "ਊ\u0d0d\u0a00", undefined],
          [22, "", undefined],
          [24, "😀 zwei", undefined],
          [40, "halb", undefined],
        ]);
        assert.equal(position, bytes.length);
      }
    });

    it(`${name}: half a character waits, invalid ones become U+FFFD`, () => {
      const whole = order(Buffer.from("a\ud83d\nb\udc4d\ud83d", "utf16le"));
      const idle = eventsOf(whole, name, 100, 1024, "idle");
      assert.deepEqual(
        idle.events.map(([, line]) => line),
        ["a\ufffd", "b\ufffd"],
      );
      assert.equal(idle.position, whole.length - 2);
      const odd = eventsOf(Buffer.concat([whole, Buffer.of(0x41)]), name, 100);
      assert.deepEqual(
        odd.events.map(([, line]) => line),
        ["a\ufffd", "b\ufffd\ufffd\ufffd"],
      );
    });

    it(`${name}: a line that is too long is cut between characters, and the rest counted`, () => {
      const bytes = order(Buffer.from("12345678😀\nshort\n", "utf16le"));
      for (const size of [3, 8, 16, 100]) {
        const { events, dropped } = eventsOf(bytes, name, size, 18);
        assert.deepEqual(events, [
          [0, "12345678", "truncated"],
          [22, "short", undefined],
        ]);
        assert.equal(dropped, 4);
      }
    });
  }

  it("a half character of several bytes waits for its rest while a line is idle", () => {
    const bytes = Buffer.from("8ee88e", "hex");
    const { events, position } = eventsOf(bytes, "shift_jis", 100, 1024, "idle");
    assert.deepEqual(events, [[0, "手", undefined]]);
    assert.equal(position, 2);
  });

  it("a long line of several bytes a character is cut between characters", () => {
    const bytes = Buffer.from("b4edcef3b4edcef3b4ed0a", "hex");
    const { events, dropped } = eventsOf(bytes, "gbk", 100, 5);
    assert.deepEqual(events, [[0, "错误", "truncated"]]);
    assert.equal(dropped, 6);
  });

  it("what is no character becomes U+FFFD and takes no line end with it", () => {
    for (const name of ["shift_jis", "gbk", "gb18030", "big5", "euc-kr", "euc-jp"]) {
      for (let lead = 0x80; lead < 0x100; lead++) {
        const { events } = eventsOf(Buffer.from([lead, 10, 0x61, 10]), name, 100);
        assert.equal(events.length, 2, `${name} ${lead}`);
        assert.equal(events[1]![1], "a");
      }
    }
  });

  it("every name of the list can be decoded, and leaves ASCII what it is", () => {
    const ascii = Buffer.from(Array.from({ length: 128 }, (_, i) => i));
    for (const name of ENCODINGS) {
      assert.equal(encodingOption(name).fault, undefined, name);
      const encoding = textEncoding(name);
      if (encoding?.unit !== 1) continue;
      assert.equal(encoding.decode(ascii), ascii.toString("latin1"), name);
    }
    assert.match(encodingOption("klingon").fault!, /cannot decode klingon/);
  });

  it("a byte order mark wins over what was given", () => {
    const given = textEncoding("windows-1252");
    assert.equal(encodingOf(Buffer.from([0xef, 0xbb, 0xbf, 65]), given), undefined);
    assert.equal(encodingOf(Buffer.from([0xff, 0xfe]), given)?.name, "utf-16le");
    assert.equal(encodingOf(Buffer.from([0xfe, 0xff]), undefined)?.name, "utf-16be");
    assert.equal(encodingOf(Buffer.from("text"), given), given);
    assert.deepEqual(
      [[], [0xff], [0xef, 0xbb], [0xff, 0xfe], [65]].map((bytes) => mayBecomeMark(Buffer.from(bytes))),
      [false, true, true, false, false],
    );
  });
});
