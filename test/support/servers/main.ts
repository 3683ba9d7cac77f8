// Starts one of the tests' servers in the foreground, for trying things by hand:
//
//     node dist/test/support/servers/main.js es8 --port 9200 [--data DIR]
//     node dist/test/support/servers/main.js prepare
import { parseArgs } from "node:util";
import { prepareCap } from "./cap.ts";
import { prepareElasticsearch, startElasticsearch, type ElasticsearchVersion } from "./elasticsearch.ts";
import { prepareMoto } from "./moto.ts";

const USAGE = `usage: main.js es8|es9 [--port N] [--data DIR]    a server until Ctrl-C (free port, empty data by default)
       main.js prepare                            download everything that the servers need
`;
const VERSIONS: Record<string, ElasticsearchVersion> = { es8: "8.19.21", es9: "9.5.3" };

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { port: { type: "string" }, data: { type: "string" } },
});
const version = VERSIONS[positionals[0] ?? ""];
if (positionals[0] === "prepare") {
  // One after the other: each says what it is at.
  await prepareElasticsearch();
  await prepareMoto();
  await prepareCap();
} else if (version === undefined) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  const server = await startElasticsearch({
    version,
    ignoreEnvironment: true,
    port: Number(values.port ?? 0),
    ...(values.data === undefined ? {} : { dataDir: values.data }),
  });
  process.stdout.write(`Elasticsearch ${version} on ${server.url}, no password; Ctrl-C ends it\n`);
  const running = setInterval(() => undefined, 60_000);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      clearInterval(running);
      void server.stop();
    });
  }
}
