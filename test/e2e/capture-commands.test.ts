import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { wiretail } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";
import { eth, ip4, pcap, udp } from "../support/frames.ts";

test("interfaces lists every interface with what it is, and says what to do where nothing can be captured", async () => {
  const { code, stdout, stderr } = await wiretail(["interfaces", "--json"]);
  assert.equal(code, 0, stderr);
  const all = JSON.parse(stdout) as { name: string; kind: string; capture: { ok: boolean; remedy?: string } }[];
  assert.equal(all.find(({ name }) => name === "lo")?.kind, "loopback");
  for (const { name, capture } of all) assert.equal(capture.ok, capture.remedy === undefined, name);
});

test("estimate measures a capture, through a pipeline too, and a cut one as far as it goes", async (t) => {
  const folder = await temporaryFolder(t);
  const [file, cut] = [join(folder, "a.pcap"), join(folder, "cut.pcap")];
  const capture = pcap(Array.from({ length: 300 }, (_, i) => eth(0x0800, ip4(17, udp(1000 + i, 53)))));
  await writeFile(file, capture);
  await writeFile(cut, capture.subarray(0, -3));
  const pipeline = join(folder, "small.json");
  const stages = [{ keep_fields: { fields: ["source.ip"] } }];
  await writeFile(pipeline, JSON.stringify({ name: "small", description: "Only who.", stages }));
  interface Answer {
    readonly packets: number;
    readonly outputs: { readonly packets: { readonly events: number; readonly raw_bytes: number } };
  }
  const whole = await wiretail(["estimate", file, "--json"]);
  assert.equal(whole.code, 0, whole.stderr);
  const all = JSON.parse(whole.stdout) as Answer;
  assert.deepEqual([all.packets, all.outputs.packets.events], [300, 300]);
  const less = await wiretail(["estimate", file, "--json", "--pipeline", pipeline]);
  assert.equal(less.code, 0, less.stderr);
  const small = JSON.parse(less.stdout) as Answer;
  assert.equal(small.outputs.packets.events, 300);
  assert.ok(small.outputs.packets.raw_bytes < all.outputs.packets.raw_bytes / 2);
  const broken = await wiretail(["estimate", cut, "--disk", "1GB"]);
  assert.equal(broken.code, 1);
  assert.match(broken.stdout, /^299 packets/);
  assert.match(broken.stderr, /cut: it ends at byte/);
});
