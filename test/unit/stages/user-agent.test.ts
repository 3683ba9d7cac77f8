import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { agentOf, MAX_CHARACTERS } from "../../../src/stages/parse_user_agent/agent.ts";
import { parseUserAgent } from "../../../src/stages/parse_user_agent/index.ts";
import { Path } from "../../../src/core/path.ts";
import { eventOf, stageOf } from "../../support/stages.ts";

describe("parse_user_agent", () => {
  it("knows browsers, bots and programs", () => {
    const windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)";
    for (const [text, name, version, system, type] of [
      [
        `${windows} Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0`,
        "Microsoft Edge",
        "120.0.0.0",
        "Windows 10",
        "desktop",
      ],
      [
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
        "Firefox",
        "115.0",
        "Linux",
        "desktop",
      ],
      ["Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "AhrefsBot", "7.0", undefined, "bot"],
      ["python-requests/2.31.0", "python-requests", "2.31.0", undefined, undefined],
      ["kube-probe/1.27", "kube-probe", "1.27", undefined, undefined],
      ["Wget", "Wget", undefined, undefined, undefined],
      ["Mozilla/5.0", undefined, undefined, undefined, undefined],
      ["-", undefined, undefined, undefined, undefined],
      ["", undefined, undefined, undefined, undefined],
    ] as const) {
      const parts = agentOf(text);
      assert.deepEqual([parts[0], parts[1], parts[4], parts[6]], [name, version, system, type], text);
    }
  });

  it("takes its parts from the text alone, however often and wherever it comes", () => {
    const stage = stageOf(parseUserAgent, { cache_entries: 2, target: "client.agent", keep_field: false });
    for (let round = 0; round < 3; round++) {
      for (const program of ["a/1", "b/2", "c/3"]) {
        const event = eventOf({ user_agent: { original: program } });
        assert.equal(stage.apply(event), undefined);
        assert.equal(event.get(new Path("client.agent.name")), program[0]);
        assert.equal(event.get(new Path("user_agent.original")), undefined);
      }
    }
  });

  it("reads no more of a long text than it says, and leaves the text whole", () => {
    const text = "x".repeat(MAX_CHARACTERS) + " Firefox/115.0";
    const event = eventOf({ user_agent: { original: text } });
    stageOf(parseUserAgent, {}).apply(event);
    assert.equal(event.get(new Path("user_agent.original")), text);
    assert.notEqual(event.get(new Path("user_agent.name")), "Firefox");
  });
});
