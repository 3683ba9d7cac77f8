import { createHash } from "node:crypto";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cached, ROOT } from "./cache.ts";
import { findJava, findJavac, progress, run } from "./tools.ts";
import { readZipEntry } from "./zip.ts";

/** The versions that tests run against: the last 8.x that Debian 12's Java 17 starts, and a 9.x (Java 21 or later). */
export const ELASTICSEARCH_VERSIONS = ["8.19.21", "9.5.3"] as const;
export type ElasticsearchVersion = (typeof ELASTICSEARCH_VERSIONS)[number];

export interface ElasticsearchServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly version: string;
  /** False for a server from outside (see startElasticsearch): it cannot be killed or restarted, and has other data. */
  readonly own: boolean;
  /** Ends it in order and removes its data. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash would; the data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same data, after `kill` or a crash; stops it first if it runs. */
  restart(): Promise<void>;
}

export interface StartElasticsearchOptions {
  readonly version: ElasticsearchVersion;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Settings as in elasticsearch.yml: `{ "http.max_content_length": "1mb" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Java heap in MiB; 512 by default. */
  readonly heapMiB?: number;
  /** Where its data lives; a temporary folder that `stop` removes by default. */
  readonly dataDir?: string;
  /** Starts an own server even when the environment names one from outside. */
  readonly ignoreEnvironment?: boolean;
}

/** Java runs C1 only and with the serial collector: twice as fast to start, and kind to the two cores of a test machine. */
const JAVA_FLAGS = [
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-Djava.awt.headless=true",
  "-Dlog4j2.disable.jmx=true",
];
const START_TIMEOUT_MS = 120_000;

/**
 * A real Elasticsearch server, one node, without security. It ends with this process, however that ends.
 *
 * Environment: WIRETAIL_TEST_ES8_URL and WIRETAIL_TEST_ES9_URL name servers from outside to be used instead.
 */
export async function startElasticsearch(options: StartElasticsearchOptions): Promise<ElasticsearchServer> {
  const { version } = options;
  const outside = process.env[version.startsWith("8.") ? "WIRETAIL_TEST_ES8_URL" : "WIRETAIL_TEST_ES9_URL"];
  const needsOwn = options.ignoreEnvironment === true || options.settings !== undefined;
  if (outside !== undefined && outside !== "" && !needsOwn) {
    const nothing = () => Promise.reject(new Error(`${outside} was not started by the tests: it cannot be killed`));
    return { url: outside, version, own: false, stop: async () => undefined, kill: nothing, restart: nothing };
  }
  const home = await installServer(version);
  const [java, classes] = await Promise.all([javaFor(version), launcher()]);
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), `wiretail-es-${version}-`));
  const launch = (port: number) => launchNode({ options, home, java, classes, dataDir, port });
  let node = await launch(options.port ?? 0);
  const { port } = node;
  return {
    url: `http://127.0.0.1:${port}`,
    version,
    own: true,
    async stop() {
      await node.end("SIGTERM");
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
    kill: () => node.end("SIGKILL"),
    async restart() {
      await node.end("SIGTERM");
      node = await launch(port);
    },
  };
}

/** Downloads and builds all that startElasticsearch needs, so that no test waits for it. */
export async function prepareElasticsearch(
  versions: readonly ElasticsearchVersion[] = ELASTICSEARCH_VERSIONS,
): Promise<void> {
  await launcher();
  for (const version of versions) {
    await installServer(version);
    await javaFor(version);
  }
}

function javaFor(version: ElasticsearchVersion): Promise<string> {
  return findJava(version.startsWith("8.") ? 17 : 21);
}

/** The launcher, compiled; its folder is named after its source's hash. */
function launcher(): Promise<string> {
  const source = join(ROOT, "test/support/servers/java/ElasticsearchServer.java");
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 12);
  return cached(`elasticsearch-launcher-${hash}`, async (folder) => {
    await run(await findJavac(), ["--release", "17", "-d", folder, source], folder, "default-jdk-headless");
  });
}

/**
 * There is no distribution archive in the registry, but the server's jars are. The transport is a module with jars of
 * its own; its descriptor lies inside its jar, and without `modulename=` it is loaded from the class path.
 */
function installServer(version: ElasticsearchVersion): Promise<string> {
  return cached(`elasticsearch-${version}`, async (home) => {
    progress(`installing Elasticsearch ${version} (45 MB, once)`);
    for (const folder of ["config", "plugins", "modules/transport-netty4", "lib"]) {
      mkdirSync(join(home, folder), { recursive: true });
    }
    writeFileSync(join(home, "pom.xml"), pom(version));
    const goal = ["-q", "-B", "dependency:copy-dependencies", `-DoutputDirectory=${join(home, "lib")}`];
    await run("mvn", goal, home, "maven");
    const netty = join(home, "modules/transport-netty4");
    for (const jar of readdirSync(join(home, "lib"))) {
      if (/^(netty|transport-netty4)-/.test(jar)) renameSync(join(home, "lib", jar), join(netty, jar));
    }
    const jar = join(netty, `transport-netty4-${version}.jar`);
    const inside = "META-INF/es-plugins/transport-netty4";
    for (const file of ["plugin-descriptor.properties", "entitlement-policy.yaml"]) {
      const text = readZipEntry(readFileSync(jar), `${inside}/${file}`);
      writeFileSync(join(netty, file), text.replace(/^modulename=.*$/m, ""));
    }
  });
}

function pom(version: string): string {
  const dependency = (group: string, artifact: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>wiretail.test</groupId><artifactId>elasticsearch</artifactId><version>1</version>
  <dependencies>
    ${dependency("org.elasticsearch", "elasticsearch")}
    ${dependency("org.elasticsearch.plugin", "transport-netty4")}
  </dependencies>
</project>
`;
}

interface Launch {
  readonly options: StartElasticsearchOptions;
  readonly home: string;
  readonly java: string;
  readonly classes: string;
  readonly dataDir: string;
  readonly port: number;
}

async function launchNode(launch: Launch): Promise<{ port: number; end(signal: NodeJS.Signals): Promise<void> }> {
  const { options, home, dataDir } = launch;
  const heap = options.heapMiB ?? 512;
  const settings: Record<string, string> = {
    "cluster.name": "wiretail-test",
    "node.name": "test-node",
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "http.port": String(launch.port),
    "transport.port": "0",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    ...options.settings,
  };
  const flags = [`-Xms${heap}m`, `-Xmx${heap}m`, ...JAVA_FLAGS];
  if (!options.version.startsWith("8.")) flags.push("--enable-native-access=ALL-UNNAMED");
  const classPath = `${launch.classes}:${join(home, "lib")}/*`;
  const pairs = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  // Its standard input is our pipe: when this process ends, however it does, the pipe closes and the server ends too.
  const args = [...flags, "-cp", classPath, "ElasticsearchServer", home, dataDir, ...pairs];
  const child = spawn(launch.java, args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined);
  let output = "";
  const listen = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-20_000));
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let failure: Error | undefined;
  child.once("error", (error) => (failure = error));
  const end = async (signal: NodeJS.Signals) => {
    child.ref();
    if (child.exitCode === null && child.signalCode === null && failure === undefined) child.kill(signal);
    await ended;
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const port = Number(/listening on (\d+)/.exec(output)?.[1] ?? 0);
    if (port > 0 && (await isReady(port))) {
      quiet(child);
      return { port, end };
    }
    const gone = child.exitCode !== null || child.signalCode !== null || failure !== undefined;
    if (gone || Date.now() > deadline) {
      await end("SIGKILL");
      const why = gone ? "ended while starting" : `is not up after ${START_TIMEOUT_MS / 1000} s`;
      throw new Error(`Elasticsearch ${options.version} ${why}:\n${failure?.message ?? ""}${output}`);
    }
    await sleep(50);
  }
}

/** The server does not keep a finished test process alive. */
function quiet(child: ChildProcess): void {
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref();
}

async function isReady(port: number): Promise<boolean> {
  try {
    const reply = await fetch(`http://127.0.0.1:${port}/_cluster/health?wait_for_status=yellow&timeout=10s`);
    await reply.arrayBuffer();
    return reply.ok;
  } catch {
    return false;
  }
}
