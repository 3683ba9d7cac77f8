import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DeadLetter } from "../../src/disk/dead-letters/letter.ts";
import { wiretail } from "../support/e2e.ts";
import type { ElasticsearchProbe } from "../support/servers/elasticsearch-client.ts";
import type { FoundEvent } from "./checker.ts";
import { tokenIn } from "./lines.ts";

interface Document {
  readonly message?: string;
  readonly log?: { readonly file?: { readonly path?: string }; readonly offset?: number };
}

/** Everything in a data stream: by backing index, and in it in the order of indexing. */
export async function inElasticsearch(probe: ElasticsearchProbe, stream: string): Promise<FoundEvent[]> {
  try {
    await probe.request("POST", `/${stream}/_refresh`);
  } catch (error) {
    // Nothing ever arrived.
    if (String(error).includes("index_not_found_exception")) return [];
    throw error;
  }
  interface Page {
    _scroll_id: string;
    hits: { hits: { _id: string; _index: string; _seq_no: number; _source: Document }[] };
  }
  const hits: Page["hits"]["hits"] = [];
  const query = { size: 5_000, sort: ["_doc"], seq_no_primary_term: true, _source: ["message", "log"] };
  let page = await probe.request<Page>("POST", `/${stream}/_search?scroll=2m`, query);
  while (page.hits.hits.length > 0) {
    hits.push(...page.hits.hits);
    page = await probe.request<Page>("POST", "/_search/scroll", { scroll: "2m", scroll_id: page._scroll_id });
  }
  await probe.request("DELETE", "/_search/scroll", { scroll_id: page._scroll_id });
  hits.sort((a, b) => (a._index < b._index ? -1 : a._index > b._index ? 1 : a._seq_no - b._seq_no));
  return hits.map(({ _id, _index, _source }) => ({
    message: _source.message ?? JSON.stringify(_source),
    part: _index,
    // The id ends in the position.
    origin: { partition: _id.slice(0, _id.lastIndexOf(".")), offset: _source.log?.offset ?? NaN },
  }));
}

/** Everything in the local store, in the order in which it is printed. */
export async function inLocalStore(host: string): Promise<FoundEvent[]> {
  const { code, stdout, stderr } = await wiretail(["search", "-c", host, "--json", "--limit", "0"]);
  if (code !== 0) throw new Error(`wiretail search ended with ${code}: ${stderr}`);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const { message } = JSON.parse(line) as Document;
      return { message: message ?? line, part: "" };
    });
}

/** Everything in a log group, as the server lists it. */
export async function inCloudWatch(endpoint: string, group: string): Promise<FoundEvent[]> {
  const { CloudWatchLogsClient, paginateFilterLogEvents, DeleteLogGroupCommand } =
    await import("@aws-sdk/client-cloudwatch-logs");
  const credentials = { accessKeyId: "a", secretAccessKey: "b" };
  const client = new CloudWatchLogsClient({ endpoint, region: "eu-west-1", credentials });
  const found: FoundEvent[] = [];
  try {
    for await (const page of paginateFilterLogEvents({ client }, { logGroupName: group })) {
      for (const { message } of page.events ?? []) found.push({ message: message ?? "", part: "" });
    }
    // The server keeps all in memory.
    await client.send(new DeleteLogGroupCommand({ logGroupName: group }));
  } finally {
    client.destroy();
  }
  return found;
}

export interface FoundDeadLetter {
  readonly sink: string;
  readonly token: string;
  readonly reason: string;
  readonly id: string;
}

export async function inDeadLetters(stateDir: string): Promise<FoundDeadLetter[]> {
  const letters: FoundDeadLetter[] = [];
  const folder = join(stateDir, "dead-letters");
  for (const name of (await readdir(folder).catch(() => [])).filter((each) => each.includes(".ndjson"))) {
    const text = await readFile(join(folder, name), "utf8");
    for (const line of text.split("\n").filter(Boolean)) {
      const { sink, stage, reason, id } = JSON.parse(line) as DeadLetter;
      letters.push({ sink: sink ?? stage ?? "", token: tokenIn(line) ?? line.slice(0, 200), reason, id });
    }
  }
  return letters;
}
