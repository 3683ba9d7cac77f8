import { mkdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { ChatServer } from "./chat-server.ts";
import { LogFile } from "./log-files.ts";
import { letPeopleChat } from "./people.ts";
import { Rooms } from "./rooms.ts";
import { WebServer } from "./web-server.ts";

const HELP = `socketchat: a small chat server with real clients, to have logs to ship

  node dist/examples/socketchat/main.js --dir /tmp/socketchat

  --dir DIR      where connections.log and access.log are written (required)
  --people N     clients that come and go (24; 0: only the servers)
  --rate N       visits, messages and requests a second, all together (40)
  --seed N       the same seed, the same people (1)
  --port N       of the chat (0: any free one)
  --web-port N   of the HTTP side (0: any free one)

It prints one line when it is ready, and ends on SIGINT, SIGTERM, or when its parent goes away.
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h", default: false },
    dir: { type: "string" },
    people: { type: "string", default: "24" },
    rate: { type: "string", default: "40" },
    seed: { type: "string", default: "1" },
    port: { type: "string", default: "0" },
    "web-port": { type: "string", default: "0" },
  },
});

async function main(dir: string): Promise<void> {
  mkdirSync(dir, { recursive: true });
  const connectionsLog = new LogFile(path.join(dir, "connections.log"));
  const accessLog = new LogFile(path.join(dir, "access.log"));
  const rooms = new Rooms();
  const chat = new ChatServer(connectionsLog, rooms, { pingIntervalMs: 1000 });
  const web = new WebServer(accessLog, rooms);
  const stop = new AbortController();
  for (const event of ["SIGINT", "SIGTERM", "disconnect"]) process.once(event, () => stop.abort());
  try {
    const chatPort = await chat.listen(Number(values.port));
    const webPort = await web.listen(Number(values["web-port"]));
    console.log(`chat on 127.0.0.1:${chatPort}, pages on http://127.0.0.1:${webPort}, logs in ${dir}`);
    process.send?.({ type: "ready", chatPort, webPort });
    const people = {
      count: Number(values.people),
      seed: Number(values.seed),
      actionsPerSecond: Number(values.rate),
    };
    await letPeopleChat({ chatPort, webPort, ...people }, stop.signal);
    if (!stop.signal.aborted) await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
  } finally {
    await Promise.all([chat.close(), web.close()]);
    await Promise.all([connectionsLog.end(), accessLog.end()]);
  }
}

if (values.help || values.dir === undefined) {
  process.stdout.write(HELP);
  process.exitCode = values.help ? 0 : 2;
} else {
  await main(path.resolve(values.dir));
  if (process.connected) process.disconnect();
}
