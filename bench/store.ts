import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseKql } from "../src/codec/kql/parse.ts";
import { convertSegment } from "../src/store/convert.ts";
import { openStore, type StoreReader } from "../src/store/search.ts";
import { ndjsonFile } from "../src/store/segments.ts";

/**
 * How fast the local store answers: `node dist/bench/store.js [millions of events] [lz4|zstd] [folder to keep]`.
 *
 * Documents are like those of an access log, with a message of 100 characters of random base64 (mixed case), one in a
 * thousand with the words that are searched for. Prints a table and one JSON line; results/store.md keeps them.
 */
const millions = Number(process.argv[2] ?? 10);
const compression = process.argv[3] === "zstd" ? "zstd" : "lz4";
const kept = process.argv[4];
const PER_SEGMENT = 1_000_000;
const MEMORY_LIMIT = 512e6;

const folder = kept ?? (await mkdtemp(path.join(tmpdir(), "wiretail-bench-store-")));
try {
  await mkdir(folder, { recursive: true });
  if (!(await readdir(folder)).some((name) => name.endsWith(".parquet"))) await fill();
  const bytes = (await Promise.all((await readdir(folder)).map((name) => stat(path.join(folder, name))))).reduce(
    (sum, s) => sum + s.size,
    0,
  );
  const results = await measure();
  const rssMb = Math.round(process.resourceUsage().maxRSS / 1024);
  for (const { name, ms, answer } of results)
    console.log(`${name.padEnd(48)} ${ms.toFixed(0).padStart(6)} ms   ${answer}`);
  console.log(
    `${millions} million events, ${(bytes / 1e9).toFixed(2)} GB of ${compression} Parquet, ${rssMb} MB resident at most`,
  );
  console.log(
    JSON.stringify({
      bench: "store",
      millions,
      compression,
      bytes,
      rss_mb: rssMb,
      node: process.version,
      results: Object.fromEntries(results.map(({ name, ms }) => [name, Math.round(ms)])),
    }),
  );
} finally {
  if (kept === undefined) await rm(folder, { recursive: true, force: true });
}

async function fill(): Promise<void> {
  const start = Date.parse("2026-11-20T00:00:00Z");
  const levels = ["info", "info", "info", "warn", "error"];
  for (let segment = 0; segment < millions; segment++) {
    const random = randomBytes(24 << 20).toString("base64");
    const out = createWriteStream(path.join(folder, ndjsonFile(segment + 1)));
    let text = "";
    for (let i = 0; i < PER_SEGMENT; i++) {
      const n = segment * PER_SEGMENT + i;
      const at = (i * 31) % (random.length - 100);
      const words = n % 1000 === 7 ? " Connection REFUSED " : " handled a request  ";
      const message = random.slice(at, at + 40) + words + random.slice(at + 40, at + 100);
      const time = new Date(start + n * 17).toISOString();
      text += `{"_id":"aaaabbbbccccdddd${n * 200}","@timestamp":"${time}","message":"${message}","log":{"level":"${levels[n % 5]}","offset":${n * 200},"file":{"path":"/var/log/app.log"}},"user":{"name":"user${(n * 7919) % 1000}"},"host":{"name":"web-1"},"ecs":{"version":"8.17"}}\n`;
      if (text.length > 1 << 22) {
        if (!out.write(text)) await once(out, "drain");
        text = "";
      }
    }
    out.end(text);
    await once(out, "close");
    const started = performance.now();
    await convertSegment({ folder, sequence: segment + 1, compression, memoryLimitBytes: 402_653_184, threads: 1 });
    console.error(`segment ${segment + 1}: converted in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
  await writeFile(path.join(folder, ndjsonFile(millions + 1)), "");
}

interface Result {
  readonly name: string;
  readonly ms: number;
  readonly answer: string;
}

async function measure(): Promise<Result[]> {
  const results: Result[] = [];
  const store = await openStore({ folder, memoryLimitBytes: MEMORY_LIMIT });
  const select = (query: string) => ({ query: parseKql(query), fromMs: undefined, toMs: undefined, nowMs: Date.now() });
  const run = async (name: string, action: (store: StoreReader) => Promise<string>): Promise<void> => {
    let ms = Infinity;
    let answer = "";
    // The first run has the files read from disk; the best of five is the machine's answer.
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      answer = await action(store);
      ms = Math.min(ms, performance.now() - started);
    }
    results.push({ name, ms, answer });
  };
  try {
    await run("count of a case-insensitive substring", async (s) =>
      String(await s.count(select("connection refused"))),
    );
    await run("newest 100 with a case-insensitive substring", async (s) =>
      String((await s.search(select("connection refused"), "newest", 100)).matched),
    );
    await run("count of a substring without letters", async (s) => String(await s.count(select('"+/+"'))));
    await run("newest 100 of everything", async (s) => String((await s.search(select(""), "newest", 100)).matched));
    await run("hourly histogram of everything", async (s) => String((await s.histogram(select(""))).buckets.length));
    await run("histogram of a substring", async (s) =>
      String((await s.histogram(select("connection refused"))).buckets.length),
    );
    await run("top values of user.name", async (s) => String((await s.top(select(""), "user.name", 10)).distinct));
    await run("top values of log.level where user.name: user1*", async (s) =>
      String((await s.top(select("user.name: user1*"), "log.level", 10)).total),
    );
    await run("substring, last hour only", async (s) =>
      String(
        await s.count({
          ...select("connection refused"),
          fromMs: Date.parse("2026-11-20T00:00:00Z") + millions * 17e6 - 3.6e6,
        }),
      ),
    );
  } finally {
    await store.close();
  }
  return results;
}
