import assert from "node:assert/strict";
import { test } from "node:test";
import { FRAME, frameHeader, FrameReader } from "../../../../src/sources/packet/service/frames.ts";
import { parseRequest } from "../../../../src/sources/packet/service/server.ts";

test("frames come out as they went in, whatever pieces the socket makes of them", () => {
  const payloads = [Buffer.from("a capture"), Buffer.alloc(0), Buffer.alloc(70_000, 7), Buffer.from("a line")];
  const bytes = Buffer.concat(payloads.flatMap((each, i) => [frameHeader(i % 2, each.length), each]));
  for (const size of [1, 3, 4096, bytes.length]) {
    const reader = new FrameReader();
    const found: [number, string][] = [];
    for (let at = 0; at < bytes.length; at += size)
      for (const { kind, payload } of reader.read(bytes.subarray(at, at + size)))
        found.push([kind, payload.toString("hex")]);
    assert.deepEqual(
      found,
      payloads.map((each, i) => [i % 2, each.toString("hex")]),
    );
  }
});

test("what is no frame ends the capture instead of filling the memory", () => {
  assert.throws(() => [...new FrameReader().read(frameHeader(FRAME.capture, 0xffff_ffff))], /not understood/);
  assert.throws(() => [...new FrameReader().read(frameHeader(9, 1))], /not understood/);
});

test("a request is taken only whole and within its bounds", () => {
  const good = { snap_length: 96, promiscuous: true, buffer_bytes: 1 << 20, filter: "udp" };
  assert.deepEqual(parseRequest(JSON.stringify({ ...good, interface: "other" })), good);
  for (const change of [{ snap_length: 1e9 }, { buffer_bytes: "1" }, { promiscuous: 1 }, { filter: ["-w", "x"] }])
    assert.equal(parseRequest(JSON.stringify({ ...good, ...change })), undefined);
  for (const text of ["", "null", "[]", "{", "1"]) assert.equal(parseRequest(text), undefined);
});
