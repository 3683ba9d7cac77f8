import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import path from "node:path";

/**
 * The inputs of the benchmark, made from a seed: the same kind, number of lines and seed give the same bytes. Every
 * line has a key of its own, by which a receiver counts what is missing or doubled:
 *
 * - `connections`: a chat server's connections.log, about 66 bytes a line. The key is the time, strictly growing; its
 *   last part is milliseconds padded to four digits.
 * - `nginx`: an access log in the combined format, about 181 bytes a line. The key is `rid=`, the line number in hex.
 * - `jsonl`: the same requests as an application would log them, one JSON object a line, 14 fields on two levels.
 * - `nginx-dirty`: the access log of a less orderly world: 30 % of the lines with text beyond ASCII, 15 % with what nginx
 *   and JSON escape, 5 % that are no access lines at all. The key is `rid=` too.
 * - `utf8`: plain text in several scripts, about 180 bytes a line, with `rid=` at the end.
 * - `short`: five characters a line (six after 60 million), which are the key: the line number in base 36.
 * - `long`: 100 kB a line, with `rid=` at the beginning.
 * - `traces`: events of 12 lines, a message with `rid=` and a Java stack trace, about 900 bytes. "Lines" count events.
 */
export type InputKind = "connections" | "nginx" | "jsonl" | "nginx-dirty" | "utf8" | "short" | "long" | "traces";

export const INPUT_KINDS: readonly InputKind[] = [
  ...(["connections", "nginx", "jsonl"] as const),
  ...(["nginx-dirty", "utf8", "short", "long", "traces"] as const),
];

/** 2019-12-11 20:47:14 UTC, in seconds since the epoch: where every input begins. */
export const FIRST_SECOND = 1_576_097_234;

const CACHE = ".cache/bench";
const BLOCK_LINES = 20_000;
const LONG_BLOCK_LINES = 200;

/** The path of an input, written on first use. */
export function inputFile(kind: InputKind, lines: number, seed = 20_191_211): string {
  const file = path.resolve(CACHE, `${kind}-${lines}-${seed}.log`);
  if (existsSync(file)) return file;
  mkdirSync(CACHE, { recursive: true });
  const part = `${file}.${process.pid}`;
  const descriptor = openSync(part, "w");
  try {
    const next = lineSource(kind, seed);
    for (let done = 0; done < lines;) {
      const block: string[] = [];
      const blockLines = kind === "long" ? LONG_BLOCK_LINES : BLOCK_LINES;
      for (const end = Math.min(lines, done + blockLines); done < end; done++) block.push(next(done));
      writeSync(descriptor, block.join("\n") + "\n");
    }
  } finally {
    closeSync(descriptor);
  }
  renameSync(part, file);
  return file;
}

/** A function that gives line 0, 1, 2 …, without line ends. */
export function lineSource(kind: InputKind, seed: number): (index: number) => string {
  switch (kind) {
    case "connections":
      return connections(new Random(seed));
    case "nginx":
      return nginx(new Random(seed + 1));
    case "jsonl":
      return jsonLines(new Random(seed + 1), new Random(seed + 2));
    case "nginx-dirty":
      return dirtyNginx(new Random(seed + 1), new Random(seed + 3));
    case "utf8":
      return scripts(new Random(seed));
    case "short":
      return (index) => (index ^ (seed & 0xff)).toString(36).padStart(5, "0");
    case "long":
      return longLines(new Random(seed));
    case "traces":
      return traces(new Random(seed));
  }
}

/** mulberry32: small, quick, the same everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 ≤ x < 1 */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number, from ≤ x < to. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.whole(0, list.length)]!;
  }
}

function address(random: Random, firstFrom: number, firstTo: number): string {
  return `${random.whole(firstFrom, firstTo)}.${random.whole(0, 256)}.${random.whole(0, 256)}.${random.whole(1, 255)}`;
}

function connections(random: Random): () => string {
  const hosts = Array.from({ length: 400 }, () => address(random, 10, 200));
  const ports = [443, 8080, 8443, 9000];
  let tick = 285;
  let second = -1;
  let head = "";
  return () => {
    const now = Math.floor(tick / 1000);
    if (now !== second) {
      second = now;
      const iso = new Date((FIRST_SECOND + now) * 1000).toISOString();
      head = `${iso.slice(0, 10).replaceAll("-", ".")}, ${iso.slice(11, 19)}.`;
    }
    const line = `${head}${String(tick % 1000).padStart(4, "0")} UTC -> ${message(random.whole(0, 100))}`;
    tick += random.whole(1, 9);
    return line;
  };

  function message(dice: number): string {
    if (dice < 28) return "Socket connected successfully";
    if (dice < 50) return "Disconnected: sockets disconnected";
    if (dice < 58) return "Disconnected: ping timeout";
    if (dice < 64) return "Disconnected: transport close";
    if (dice < 72) return `Connecting to ${random.pick(hosts)}:${random.pick(ports)}`;
    if (dice < 80) return `Reconnect attempt ${random.whole(1, 11)} of 10`;
    if (dice < 86) return `Connection error: connect ECONNREFUSED ${random.pick(hosts)}:${random.pick(ports)}`;
    if (dice < 91) return "Connection error: read ETIMEDOUT";
    if (dice < 95) return `Latency ${random.whole(4, 900)} ms, jitter ${random.whole(0, 60)} ms`;
    if (dice < 98) return `Client "${random.pick(hosts)}" subscribed to /topic/${random.whole(0, 500)}`;
    return `Socket closed by peer (code ${random.pick([1000, 1001, 1006, 1011])})`;
  }
}

interface Request {
  readonly address: string;
  readonly user: string;
  readonly second: number;
  readonly method: string;
  readonly url: string;
  readonly protocol: string;
  readonly status: number;
  readonly bytes: number;
  readonly referrer: string;
  readonly userAgent: string;
}

const USER_AGENTS: readonly (readonly [string, number])[] = [
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    18,
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    14,
  ],
  ["Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", 8],
  ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 4],
  ["curl/8.5.0", 10],
  ["kube-probe/1.29", 10],
  ["python-requests/2.32.3", 12],
  ["Go-http-client/1.1", 8],
  ["okhttp/4.12.0", 8],
  ["-", 4],
];
const METHODS: readonly (readonly [string, number])[] = [
  ["GET", 80],
  ["POST", 14],
  ["PUT", 2],
  ["DELETE", 1],
  ["HEAD", 3],
];
const STATUSES: readonly (readonly [number, number])[] = [
  [200, 78],
  [304, 8],
  [301, 3],
  [404, 5],
  [401, 1],
  [403, 1],
  [499, 1],
  [500, 2],
  [502, 1],
];
/** `#` stands for a random number, `@` for one in hex. */
const PATHS = [
  "/",
  "/index.html",
  "/api/v1/items",
  "/api/v1/items/#",
  "/api/v2/users/#/orders",
  "/static/js/app.@.js",
  "/static/css/main.css",
  "/images/p/#.webp",
  "/search",
  "/login",
  "/healthz",
  "/cart/checkout",
  "/caf%C3%A9/#",
];
const REFERRERS = [
  "-",
  "-",
  "-",
  "https://www.example.com/",
  "https://www.google.com/search?q=log+shipper",
  "https://shop.example.com/cart",
  "https://example.org/a/b?c=%22d%22",
];

function weighted<T>(choices: readonly (readonly [T, number])[]): T[] {
  return choices.flatMap(([value, weight]) => Array.from({ length: weight }, () => value));
}

function requests(random: Random): (index: number) => Request {
  const addresses = Array.from({ length: 5000 }, () => address(random, 1, 224));
  for (let i = 0; i < 300; i++) {
    addresses.push(`2001:db8:${random.whole(0, 65_536).toString(16)}::${random.whole(0, 65_536).toString(16)}`);
  }
  const userAgents = weighted(USER_AGENTS);
  const methods = weighted(METHODS);
  const statuses = weighted(STATUSES);
  let second = FIRST_SECOND;
  return (index) => {
    if (random.fraction() < 0.004) second++;
    const template = random.pick(PATHS);
    const number = random.whole(0, 100_000);
    const target = template.replace("#", String(number)).replace("@", number.toString(16));
    const status = random.pick(statuses);
    return {
      address: random.pick(addresses),
      user: random.fraction() < 0.93 ? "-" : `user${random.whole(0, 400)}`,
      second,
      method: random.pick(methods),
      url: `${target}?rid=${index.toString(16).padStart(8, "0")}`,
      protocol: random.fraction() < 0.7 ? "1.1" : "2.0",
      status,
      bytes: status === 304 ? 0 : Math.floor(10 ** (1.5 + 3.5 * random.fraction())),
      referrer: random.pick(REFERRERS),
      userAgent: random.pick(userAgents),
    };
  };
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `11/Dec/2019:20:47:14 +0000` */
export function commonLogTime(second: number): string {
  const iso = new Date(second * 1000).toISOString();
  return `${iso.slice(8, 10)}/${MONTHS[Number(iso.slice(5, 7)) - 1]!}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}

function nginx(random: Random, change = (request: Request): Request => request): (index: number) => string {
  const next = requests(random);
  let second = -1;
  let stamp = "";
  return (index) => {
    const r = change(next(index));
    if (r.second !== second) {
      second = r.second;
      stamp = commonLogTime(second);
    }
    return `${r.address} - ${r.user} [${stamp}] "${r.method} ${r.url} HTTP/${r.protocol}" ${r.status} ${r.bytes} "${r.referrer}" "${r.userAgent}"`;
  };
}

function jsonLines(random: Random, times: Random): (index: number) => string {
  const next = requests(random);
  let now = FIRST_SECOND * 1000;
  return (index) => {
    const r = next(index);
    now += times.whole(0, 9);
    return JSON.stringify({
      ts: new Date(now).toISOString(),
      level: r.status >= 500 ? "error" : "info",
      logger: "http.server",
      pid: 4711,
      msg: "request done",
      req: { method: r.method, url: r.url, proto: r.protocol, remote: r.address, user: r.user, ua: r.userAgent },
      res: { status: r.status, bytes: r.bytes, ms: times.whole(1, 4000) / 10 },
    });
  };
}

const BEYOND_ASCII = ["Zürich", "café", "Ελλάδα", "Москва", "東京都", "한국어", "naïve façade", "🚀 release", "عربي"];

function dirtyNginx(random: Random, dirt: Random): (index: number) => string {
  const line = nginx(random, (request) => {
    const dice = dirt.whole(0, 100);
    // Clients send what they like in these; nginx writes what is not printable ASCII as it is, unless told otherwise.
    if (dice < 20) return { ...request, userAgent: `${dirt.pick(BEYOND_ASCII)}/${dirt.whole(1, 9)}.0` };
    if (dice < 30) return { ...request, referrer: `https://www.example.com/${dirt.pick(BEYOND_ASCII)}` };
    if (dice < 38) return { ...request, userAgent: "Mozilla/5.0 (\\x22quoted\\x22; tab\\x09; back\\x5Cslash)" };
    if (dice < 45) return { ...request, referrer: `C:\\files\\${dirt.whole(0, 1000)}\t.html` };
    return request;
  });
  return (index) => {
    const whole = line(index);
    if (dirt.fraction() >= 0.05) return whole;
    const key = index.toString(16).padStart(8, "0");
    return dirt.pick([
      `2019/12/11 20:47:14 [error] 31#31: *${index} open() "/usr/share/nginx/html/favicon.ico" failed (2: No such file or directory), request: "GET /favicon.ico?rid=${key} HTTP/1.1"`,
      `rid=${key} \u0001\u0002 half a line, "unfinished`,
      `10.0.0.1 - - [no time] "GET /?rid=${key} HTTP/1.1" 200 OK "-" "-"`,
    ]);
  };
}

function scripts(random: Random): (index: number) => string {
  const words = ["подключение", "接続しました", "연결됨", "σύνδεση", "اتصال", "connexion établie", "größer", "✓", "🚀"];
  return (index) => {
    const text: string[] = [];
    for (let bytes = 0; bytes < 150;) {
      const word = random.pick(words);
      text.push(word);
      bytes += word.length * 2 + 1;
    }
    return `${text.join(" ")} rid=${index.toString(16).padStart(8, "0")}`;
  };
}

function longLines(random: Random): (index: number) => string {
  const words = Array.from({ length: 4000 }, () => random.whole(0, 0x7fffffff).toString(36));
  const text = words.join(" ");
  return (index) => {
    const start = random.whole(0, text.length - 10_000);
    const piece = text.slice(start, start + 10_000);
    return `rid=${index.toString(16).padStart(8, "0")} ${piece.repeat(10)}`;
  };
}

function traces(random: Random): (index: number) => string {
  const packages = ["com.example.shop.cart", "com.example.shop.payment", "org.springframework.web.servlet"];
  return (index) => {
    const time = new Date(FIRST_SECOND * 1000 + index * 3).toISOString();
    const lines = [
      `${time} ERROR [worker-${random.whole(1, 20)}] rid=${index.toString(16).padStart(8, "0")} request failed`,
      "java.lang.IllegalStateException: cart is closed",
    ];
    for (let i = 0; i < 10; i++) {
      const name = random.pick(packages);
      lines.push(`\tat ${name}.Handler$${random.whole(1, 30)}.handle(Handler.java:${random.whole(10, 900)})`);
    }
    return lines.join("\n");
  };
}
