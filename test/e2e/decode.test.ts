import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { eth, exoticFrames, ip4, pcap, tcp } from "../support/frames.ts";
import { WIRETAIL } from "../support/e2e.ts";

const FRAMES = exoticFrames().filter(({ linkType }) => linkType === 1);
const CAPTURE = pcap(FRAMES.map(({ frame }) => frame));

let folder: string;
before(() => (folder = mkdtempSync(join(tmpdir(), "wiretail-decode-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function decode(args: readonly string[], input?: Buffer): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(WIRETAIL, ["decode", ...args], { env: { ...process.env, TZ: "UTC", NO_COLOR: "1" } });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => (stdout += String(chunk)));
    child.stderr.on("data", (chunk) => (stderr += String(chunk)));
    child.on("error", reject);
    child.on("close", (code) => {
      assert.doesNotMatch(stderr, /^\s+at /m, "a stack trace");
      resolve({ code, stdout, stderr });
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe("wiretail decode", () => {
  it("prints every packet as one line of JSON, from a file, gzip and standard input alike", async () => {
    const fromFile = await decode([file("a.pcap", CAPTURE), "--json"]);
    assert.deepEqual([fromFile.code, fromFile.stderr], [0, ""]);
    const events = fromFile.stdout.trimEnd().split("\n");
    assert.equal(events.length, FRAMES.length);
    for (const [i, line] of events.entries()) {
      const event = JSON.parse(line) as { frame: { number: number; protocols: string } };
      assert.deepEqual([event.frame.number, event.frame.protocols.startsWith("eth")], [i + 1, true]);
    }
    assert.equal((await decode([file("a.pcap.gz", gzipSync(CAPTURE)), "--json"])).stdout, fromFile.stdout);
    assert.equal((await decode(["-", "--json"], CAPTURE)).stdout, fromFile.stdout);
  });

  it("prints a table for people, with a summary beside it", async () => {
    const { code, stdout, stderr } = await decode([file("a.pcap", CAPTURE), "-n"]);
    const lines = stdout.trimEnd().split("\n");
    assert.deepEqual([code, lines.length], [0, FRAMES.length + 1]);
    assert.match(
      lines[1]!,
      /^ {5}1 {2}2023-11-14 22:13:20\.000000 {2}10\.0\.0\.1 .* arp .* 42 {2}who has 10\.0\.0\.2\?$/,
    );
    assert.match(stdout, / 10\.0\.0\.1:40000 +10\.0\.0\.2:80 +tcp +62 {2}syn seq 1000 ack 0 data 0\n/);
    assert.equal(stderr, `${FRAMES.length} shown of ${FRAMES.length} packets read\n`);
  });

  it("prints flows, of the packets that a filter of tcpdump lets through", async () => {
    const path = file("a.pcap", CAPTURE);
    const { code, stdout } = await decode([path, "--output", "flows", "--json", "--filter", "port 80"]);
    const flows = stdout.trimEnd().split("\n");
    assert.deepEqual([code, flows.length], [0, 2]);
    assert.ok(flows.every((flow) => /"(destination|source)":{"ip":"[^"]*","port":80,/.test(flow)));
    const table = await decode([path, "--output", "flows", "--where", "network.transport: igmp"]);
    assert.match(table.stdout, /^start .*\n2023-11-14 22:13:\d\d\.000010 +0\.000000 {2}igmp .* 1\/0 .*\n$/);
    assert.match(table.stderr, /^1 flows shown, made of \d+ packets read\n$/);
    const wrong = await decode([path, "--filter", "no such"]);
    assert.equal(wrong.code, 2);
    assert.match(
      wrong.stderr,
      /tcpdump with the filter "no such": .*(syntax error|can't parse)[^]*hint: .*pcap-filter/,
    );
    const cut = await decode([file("cut.pcap", CAPTURE.subarray(0, -1)), "--filter", "ip", "--json"]);
    assert.equal(cut.code, 1, "a fault of the capture is none of the filter");
    assert.match(cut.stderr, /truncated dump file/);
  });

  it("prints only what KQL selects, and as much as is wanted", async () => {
    const path = file("a.pcap", CAPTURE);
    const { stdout } = await decode([path, "--json", "--where", "frame.protocols: *arp and arp.opcode >= 2"]);
    assert.deepEqual(stdout.trimEnd().split("\n").length, 1);
    const limited = await decode([path, "--json", "--limit", "3", "--where", "source.ip: 10.0.0.0/8"]);
    assert.deepEqual([limited.code, limited.stdout.trimEnd().split("\n").length], [0, 3]);
    const none = await decode([path, "--where", "destination.port: 9999"]);
    assert.deepEqual([none.code, none.stdout], [0, ""]);
  });

  it("shows where each field of a packet lies, without its credentials unless they are asked for", async () => {
    const head = "GET /a?token=s3cret&b=1 HTTP/1.1\r\nHost: example.org\r\nAuthorization: Basic czNjcmV0OnM=\r\n\r\n";
    const path = file("get.pcap", pcap([eth(0x0800, ip4(6, tcp(50_000, 80, 0x18, Buffer.from(head))))]));
    const { code, stdout } = await decode([path, "--packet", "1"]);
    assert.equal(code, 0);
    assert.match(stdout, /^packet 1: \d+ bytes, \d+ of them captured, eth:ethertype:ip:tcp:http$/m);
    assert.match(stdout, /^ {4}23 +1 +ip\.proto +06$/m);
    assert.match(stdout, /http\.request\.uri +\/a\?token=REDACTED&b=1$/m);
    assert.match(stdout, /http\.request\.line .* Host: example\.org$/m);
    assert.match(stdout, /Authorization: Basic REDACTED$/m);
    const json = await decode([path, "--packet", "1", "--json"]);
    for (const text of [stdout, json.stdout]) assert.doesNotMatch(text, /s3cret|czNj|733363/);
    const { frame, fields } = JSON.parse(json.stdout) as {
      frame: Record<string, unknown>;
      fields: readonly { name: string; offset: number; length: number; hex?: string; redacted?: string }[];
    };
    assert.deepEqual([frame["number"], frame["cap_len"]], [1, 54 + head.length]);
    const method = { name: "http.request.method", offset: 54, length: 3, hex: "474554" };
    assert.deepEqual(
      fields.find(({ name }) => name === method.name),
      method,
    );
    const open = await decode([path, "--packet", "1", "--show-credentials"]);
    assert.match(open.stdout, /token=s3cret/);

    const beyond = await decode([path, "--packet", "2"]);
    assert.deepEqual([beyond.code, beyond.stdout], [1, ""]);
    assert.match(beyond.stderr, /there is no packet 2: it holds 1$/m);
    for (const more of [
      ["--output", "flows"],
      ["--where", "*"],
      ["--limit", "1"],
    ])
      assert.equal((await decode([path, "--packet", "1", ...more])).code, 2);
  });

  it("ends with 1 for what is cut, malformed or foreign, after printing what it held", async () => {
    const good = FRAMES.length - 1;
    const cut = await decode([file("cut.pcap", CAPTURE.subarray(0, -1)), "--json"]);
    assert.deepEqual([cut.code, cut.stdout.trimEnd().split("\n").length], [1, good]);
    assert.match(
      cut.stderr,
      new RegExp(`^error: .*cut\\.pcap: cut: it ends at byte \\d+, within .*; ${good} packets before`),
    );
    const zipped = gzipSync(CAPTURE);
    const cutGzip = await decode([file("cut.gz", zipped.subarray(0, -20)), "--json"]);
    assert.equal(cutGzip.code, 1);
    assert.match(cutGzip.stderr, /cut: the compressed data end too early \(after \d+ bytes of capture\)/);
    const bad = Buffer.from(CAPTURE);
    bad.writeUInt32LE(0x7fffffff, 24 + 8);
    const malformed = await decode(["-", "--json"], bad);
    assert.deepEqual([malformed.code, malformed.stdout], [1, ""]);
    assert.match(malformed.stderr, /^error: standard input: malformed: the packet record at byte 24 says/);
    for (const [name, bytes] of [
      ["foreign.txt", "hello, world\n"],
      ["empty.pcap", ""],
    ] as const) {
      const { code, stderr } = await decode([file(name, bytes)]);
      assert.equal(code, 1);
      assert.match(stderr, /error: .*: not a capture: it is /);
    }
  });

  it("says in one line what cannot be read, and where a query is wrong", async () => {
    for (const path of [join(folder, "missing.pcap"), folder]) {
      const { code, stderr } = await decode([path, "--json"]);
      assert.deepEqual([code, stderr.trimEnd().split("\n").length], [1, 1]);
      assert.match(stderr, /^error: .*: cannot be read: (ENOENT|EISDIR)/);
    }
    const query = await decode([file("a.pcap", CAPTURE), "--where", "a = 1"]);
    assert.equal(query.code, 2);
    assert.match(query.stderr, /\^/);
    assert.equal((await decode([file("a.pcap", CAPTURE), "--limit", "0"])).code, 2);
  });

  it("ends in peace when its reader does", async () => {
    const path = file("long.pcap", pcap(Array.from({ length: 20_000 }, (_, i) => FRAMES[i % FRAMES.length]!.frame)));
    const child = spawn("sh", ["-c", `"${WIRETAIL}" decode "${path}" | head -n 2`]);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => (stdout += String(chunk)));
    child.stderr.on("data", (chunk) => (stderr += String(chunk)));
    await new Promise((resolve) => child.once("close", resolve));
    assert.equal(stdout.trimEnd().split("\n").length, 2);
    assert.doesNotMatch(stderr, /error/);
  });
});
