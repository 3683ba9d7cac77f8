import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { wiretail } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

interface Line {
  readonly "@timestamp": string;
  readonly event: { readonly action: string };
  readonly source?: { readonly ip: string; readonly port: number };
  readonly network?: { readonly community_id: string };
  readonly socketchat?: { readonly peer_candidates: number };
}

test("the recipe's host file gives chat lines the addresses of their connections, and ends by itself; nginx lines have the id of the flow", async (t) => {
  const folder = await temporaryFolder(t);
  await cp("examples/chat-peers", folder, { recursive: true });
  const host = join(folder, "host.json");
  await writeFile(host, (await readFile(host, "utf8")).replaceAll('"./', `"${folder}/`));
  const run = await wiretail(["run", "--config", host, "--once"]);
  assert.equal(run.code, 0, run.stderr);
  const lines = run.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line)
    .sort((a, b) => (a["@timestamp"] < b["@timestamp"] ? -1 : 1));
  assert.deepEqual(
    lines.map(({ event, source, socketchat }) => [event.action, source?.ip, source?.port, socketchat?.peer_candidates]),
    [
      ["connected", "203.0.113.7", 50_123, 1],
      ["disconnected", undefined, undefined, undefined],
      ["connected", "198.51.100.23", 41_877, 1],
      ["connected", undefined, undefined, undefined],
    ],
  );
  const decoded = await wiretail(["decode", join(folder, "chat.pcap"), "--output", "flows", "--json"]);
  const ids = new Set(
    decoded.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line)
      .filter(({ source }) => source!.port === 50_123)
      .map(({ network }) => network!.community_id),
  );
  assert.deepEqual([...ids], [lines[0]!.network!.community_id]);
  const nginx: Readonly<Record<string, string>> = {
    "nginx-access-ports": `203.0.113.7 - - [11/Dec/2019:20:47:14 +0000] "GET / HTTP/1.1" 200 512 "-" "curl/8.5.0" 50123 10.0.0.10 8080`,
    "nginx-stream-ports": "203.0.113.7 [11/Dec/2019:20:47:18 +0000] TCP 200 1532 418 3.779 50123 10.0.0.10 8080",
  };
  for (const [pipeline, line] of Object.entries(nginx)) {
    const log = join(folder, `${pipeline}.log`);
    await writeFile(log, line + "\n");
    const tried = await wiretail(["try", pipeline, log, "--json"]);
    assert.deepEqual([(JSON.parse(tried.stdout) as Line).network!.community_id], [...ids], tried.stdout);
  }
});
