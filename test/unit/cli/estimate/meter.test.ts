import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { Estimate } from "../../../../src/cli/estimate/measure.ts";
import { SizeMeter, Talkers, Timeline } from "../../../../src/cli/estimate/meter.ts";
import { estimateJson, estimateLines } from "../../../../src/cli/estimate/view.ts";
import { eth, ip4, pcap, udp } from "../../../support/frames.ts";

test("compressed sizes are those of gzip, not a guess", async () => {
  const meter = new SizeMeter();
  const line = Buffer.from('{"source":{"ip":"10.0.0.1"},"network":{"bytes":60}}\n');
  const all: Buffer[] = [];
  for (let i = 0; i < 20_000; i++) {
    meter.add(line);
    all.push(line);
    await meter.drain();
  }
  const packed = await meter.end();
  const whole = gzipSync(Buffer.concat(all));
  assert.equal(meter.rawBytes, gunzipSync(whole).length);
  assert.ok(Math.abs(packed - whole.length) < whole.length * 0.1 + 100, `${packed} against ${whole.length}`);
});

test("the quietest and the busiest stretch count the time in which nothing came", () => {
  const timeline = new Timeline();
  for (let i = 0; i < 60; i++) timeline.add(1060 + i, 1000);
  timeline.add(1130, 60);
  const { stretch_seconds, idle, busy } = timeline.extremes(1000, 180)!;
  assert.deepEqual([stretch_seconds, idle.packets_per_second, busy.packets_per_second], [60, 0, 1]);
  assert.equal(busy.bytes_per_second, 1000);
  assert.equal(timeline.extremes(1000, 2), undefined);
  assert.equal(timeline.spanSeconds, 71);
});

test("those who talk most stay, however many there are", () => {
  const talkers = new Talkers(100);
  for (let i = 0; i < 1000; i++) {
    talkers.add("10.0.0.1", 500);
    talkers.add(`10.1.${i >> 8}.${i & 255}`, 60);
  }
  assert.deepEqual(talkers.top(1), [{ address: "10.0.0.1", bytes: 500_000 }]);
});

test("a capture's rates, sizes, forecasts and retention follow from what is in it", async () => {
  const estimate = new Estimate(["packets", "flows"], "host", undefined);
  const frame = eth(0x0800, ip4(17, udp(1000, 53, Buffer.alloc(58))));
  assert.equal(frame.length, 100);
  await estimate.take(pcap(Array.from({ length: 300 }, () => frame)));
  const measured = await estimate.finish(undefined);
  const { seconds, packets, bytes, pcap: stored, outputs } = measured;
  assert.deepEqual([seconds, packets, bytes], [300, 300, 30_000]);
  assert.deepEqual([stored.events, stored.raw_bytes], [300, 300 * 116]);
  assert.equal(outputs["packets"]!.events, 300);
  assert.ok(outputs["flows"]!.events > 0 && outputs["flows"]!.events < 20);
  assert.ok(outputs["packets"]!.compressed_bytes < outputs["packets"]!.raw_bytes);
  const disk = { bytes: 116 * 86_400 * 10, what: "--disk" };
  const json = estimateJson(measured, disk) as { pcap: Record<string, number> };
  assert.deepEqual([json.pcap["raw_bytes_per_day"], json.pcap["retention_days_raw"]], [116 * 86_400, 10]);
  const text = estimateLines(measured, disk, { width: 200, hasColor: false } as never).join("\n");
  assert.match(text, /300 packets, 30\.0 kB on the wire in 300 s: 1\.0 packets\/s/);
  assert.match(text, /^pcap +300 .* 10 days, /m);
  assert.match(text, /10\.0\.0\.1 +30\.0 kB +100 %/);
});
