import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { components } from "../../../src/cli/components.ts";
import { getIn } from "../../../src/core/path.ts";
import { loadPipelineFile, type PipelineFile } from "../../../src/runtime/config/pipeline-file.ts";
import { shippedFormats } from "../../../src/runtime/recognition/formats.ts";
import { recognise } from "../../../src/runtime/recognition/recognise.ts";
import { sampleEvent } from "../../../src/runtime/sample-events.ts";
import { StageChain } from "../../../src/runtime/stage-chain.ts";
import { BothWays, BULK, documentsOf, readBatch } from "../../support/pipelines.ts";

/**
 * What programs of Debian wrote in fact (test/golden/lines; scripts/real-lines.mjs makes them, versions.json says of which
 * versions), with what every event of a program must have.
 */
const PROGRAMS: Readonly<Record<string, { readonly fields: readonly string[]; readonly starts?: RegExp }>> = {
  "nginx-access": { fields: ["source.ip", "http.response.status_code", "http.response.body.bytes"] },
  "nginx-error": { fields: ["log.level", "process.pid", "message"] },
  apache: { fields: ["event.type"] },
  haproxy: { fields: ["process.pid", "log.syslog.hostname"] },
  syslog: { fields: ["process.name", "process.pid", "message", "log.syslog.hostname"] },
  auth: { fields: ["process.name", "message", "log.syslog.hostname"] },
  redis: { fields: ["process.pid", "message"] },
  logfmt: { fields: ["caller"] },
  postgresql: { fields: ["log.level", "process.pid", "message"], starts: /^\d{4}-/ },
  "mysql-slow": {
    fields: ["mysql.slowlog.query_time.sec", "mysql.slowlog.query", "mysql.thread_id"],
    starts: /^# (?:Time|User@Host): |, Version: /,
  },
};
const NOW_MS = Date.UTC(2026, 10, 23);
const NO_TIME_MS = NOW_MS + 0.125;

/** Lines as the source joins them. */
function linesOf(name: string, starts: RegExp | undefined): string[] {
  const lines = readFileSync(`test/golden/lines/${name}.log`, "utf8").trimEnd().split("\n");
  if (starts === undefined) return lines;
  const joined: string[] = [];
  for (const line of lines) {
    if (joined.length === 0 || starts.test(line)) joined.push(line);
    else joined[joined.length - 1] += `\n${line}`;
  }
  return joined;
}

async function shipped(name: string): Promise<PipelineFile> {
  const { pipeline, problems } = await loadPipelineFile(name, ".", components);
  assert.deepEqual(problems, []);
  return pipeline!;
}

function documentsBy(pipeline: PipelineFile, lines: readonly string[]): Record<string, unknown>[] {
  const chain = new StageChain(pipeline.stages, () => NOW_MS);
  const events = chain.run(
    lines.map((line, i) => sampleEvent(line, NO_TIME_MS, i)),
    () => assert.fail("a dead letter"),
  );
  for (const event of events) assert.notEqual(event.timeMs, NO_TIME_MS, `no time: ${event.line}`);
  return events.map((event) => event.toObject());
}

describe("lines that real programs wrote", () => {
  for (const [name, { fields, starts }] of Object.entries(PROGRAMS)) {
    it(`${name}: every line becomes an event with its time and its fields, none of them empty`, async () => {
      const documents = documentsBy(await shipped(name), linesOf(name, starts));
      assert.ok(documents.length >= 8);
      for (const document of documents) {
        const text = JSON.stringify(document);
        assert.equal(getIn(document, ["error", "message"], 0), undefined, text);
        for (const field of fields)
          assert.notEqual(getIn(document, field.split("."), 0), undefined, `${field}: ${text}`);
        assert.doesNotMatch(text, /:""/);
      }
    });

    it(`${name}: the compiled pipeline makes the same documents`, async () => {
      const both = new BothWays((await shipped(name)).stages, [BULK], NOW_MS);
      // A condition on the message is no part of a program.
      if (name === "mysql-slow") return assert.match(both.refusal() ?? "", /condition on message/);
      const lines = linesOf(name, starts).filter((line) => !line.includes("\n"));
      const batch = readBatch(Buffer.from(lines.map((line) => line + "\n").join("")));
      const [compiled, plain] = [both.run("compiled", batch), both.run("plain", batch)];
      assert.deepEqual(documentsOf(compiled), documentsOf(plain));
      assert.ok(compiled.plainLines! * 4 < lines.length, `${compiled.plainLines} of ${lines.length} the plain way`);
    });
  }

  it("each program is recognised by its first and its last 20 lines", async () => {
    const formats = await shippedFormats(components.stages);
    for (const name of Object.keys(PROGRAMS).filter((each) => each !== "mysql-slow" && each !== "syslog")) {
      const lines = linesOf(name, undefined);
      for (const some of [lines.slice(0, 20), lines.slice(-20)])
        assert.equal(recognise(some, formats, { nowMs: NOW_MS }).format, name);
    }
  });

  it("an error of nginx whose request line was cut off is still taken apart", async () => {
    const line = linesOf("nginx-error", undefined).filter((each) => each.includes("too long URI"));
    const [document] = documentsBy(await shipped("nginx-error"), line);
    assert.equal(getIn(document, ["nginx", "error", "server"], 0), "shop.example");
    assert.match(
      String(getIn(document, ["url", "original"], 0) ?? getIn(document, ["nginx", "error", "request"], 0)),
      /\/aaa/,
    );
  });
});
