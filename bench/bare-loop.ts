import { closeSync, openSync, readSync } from "node:fs";
import { Agent, request } from "node:http";
import { parseArgs } from "node:util";

/**
 * The same sends without an agent: one thread that reads a file, wraps each line in an action and a document, and posts
 * bodies of 3 MB over kept-alive connections, with no checkpoints, acks or ids, and no configuration. What it reaches
 * is the bound that an agent in Node can approach, not a product. `raw` splices the line after one test for characters
 * that JSON escapes; `parsed` reads nginx's combined format by one expression and splices fields between constant text.
 *
 *     node dist/bench/bare-loop.js --input FILE --url http://127.0.0.1:9200 --work raw
 */
const { values } = parseArgs({
  options: { input: { type: "string" }, url: { type: "string" }, work: { type: "string", default: "raw" } },
});
const BODY_CHARACTERS = 3_000_000;
const READ_BYTES = 1 << 20;
const IN_FLIGHT = 2;
const ACTION = '{"create":{}}\n';
const ESCAPED = /["\\\u0000-\u001f]/;
const COMBINED = /^(\S+) - (\S+) \[([^\]]+)\] "(\S+) (\S+) HTTP\/([\d.]+)" (\d+) (\d+) "([^"]*)" "([^"]*)"$/;
const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });

function quoted(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}

let stamp = "";
let stampText = "";
/** `11/Dec/2019:20:47:14 +0000` as ISO 8601: neighbouring lines share it. */
function isoTime(text: string): string {
  if (text !== stamp) {
    const month = String(MONTHS.indexOf(text.slice(3, 6)) / 3 + 1).padStart(2, "0");
    const zone = text.slice(21, 24) + ":" + text.slice(24);
    stampText = new Date(
      `${text.slice(7, 11)}-${month}-${text.slice(0, 2)}T${text.slice(12, 20)}${zone}`,
    ).toISOString();
    stamp = text;
  }
  return stampText;
}

function rawDocument(line: string): string {
  return `${ACTION}{"@timestamp":"2019-12-11T20:47:14.285Z","message":${quoted(line)}}\n`;
}

function parsedDocument(line: string): string {
  const m = COMBINED.exec(line);
  if (m === null) return rawDocument(line);
  return (
    `${ACTION}{"@timestamp":"${isoTime(m[3]!)}","source":{"address":"${m[1]!}"},"user":{"name":${quoted(m[2]!)}},` +
    `"http":{"version":"${m[6]!}","request":{"method":"${m[4]!}","referrer":${quoted(m[9]!)}},` +
    `"response":{"status_code":${m[7]!},"body":{"bytes":${m[8]!}}}},"url":{"original":${quoted(m[5]!)}},` +
    `"user_agent":{"original":${quoted(m[10]!)}}}\n`
  );
}

function post(body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${values.url!}/bench/_bulk?filter_path=errors`,
      {
        method: "POST",
        agent,
        headers: { "Content-Type": "application/x-ndjson", "Content-Length": body.length },
      },
      (response) => {
        response.resume();
        response.once("end", resolve);
      },
    );
    sent.once("error", reject);
    sent.end(body);
  });
}

async function run(): Promise<void> {
  const document = values.work === "parsed" ? parsedDocument : rawDocument;
  const descriptor = openSync(values.input!, "r");
  const chunk = Buffer.allocUnsafe(READ_BYTES);
  const flying = new Set<Promise<void>>();
  let rest = "";
  let body = "";
  const send = async (): Promise<void> => {
    const one = post(Buffer.from(body)).finally(() => flying.delete(one));
    flying.add(one);
    body = "";
    if (flying.size >= IN_FLIGHT) await Promise.race(flying);
  };
  for (let read: number; (read = readSync(descriptor, chunk)) > 0;) {
    const text = rest + chunk.toString("latin1", 0, read);
    let at = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", at)) {
      body += document(text.slice(at, end));
      at = end + 1;
      if (body.length >= BODY_CHARACTERS) await send();
    }
    rest = text.slice(at);
  }
  closeSync(descriptor);
  if (body !== "") await send();
  await Promise.all(flying);
  agent.destroy();
}

await run();
// Stays until it is told to stop, as an agent does, so that both are sampled in the same way.
setInterval(() => undefined, 60_000);
