import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connectionLine, type LogFile } from "./log-files.ts";
import type { Rooms } from "./rooms.ts";

export interface ChatServerOptions {
  /** A client that does not answer a ping before the next one is dropped. */
  readonly pingIntervalMs: number;
}

/** Longest line that a client may send, in characters. */
const MAX_LINE = 4096;

interface Client {
  readonly socket: Socket;
  name: string;
  room: string | undefined;
  said: "bye" | "nothing yet";
  answeredPing: boolean;
  timedOut: boolean;
  failed: boolean;
}

type FromClient =
  | { readonly type: "join"; readonly name: string; readonly room: string }
  | { readonly type: "say"; readonly text: string }
  | { readonly type: "pong" }
  | { readonly type: "bye" };

/**
 * A chat over TCP: one JSON object a line in both directions. It writes who comes, goes and fails to connections.log,
 * and nothing else: the log of the application that started all this.
 */
export class ChatServer {
  readonly #log: LogFile;
  readonly #rooms: Rooms;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  readonly #pingIntervalMs: number;
  #ping: NodeJS.Timeout | undefined;

  constructor(log: LogFile, rooms: Rooms, options: ChatServerOptions) {
    this.#log = log;
    this.#rooms = rooms;
    this.#pingIntervalMs = options.pingIntervalMs;
    this.#server = createServer((socket) => this.#connected(socket));
  }

  /** Resolves with the port once it listens on loopback. */
  async listen(port: number): Promise<number> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#ping = setInterval(() => this.#pingAll(), this.#pingIntervalMs);
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    clearInterval(this.#ping);
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const client of this.#clients) client.socket.destroy();
    await closed;
  }

  #connected(socket: Socket): void {
    const client: Client = {
      socket,
      name: "anonymous",
      room: undefined,
      said: "nothing yet",
      answeredPing: true,
      timedOut: false,
      failed: false,
    };
    this.#clients.add(client);
    this.#write("Socket connected successfully");
    let rest = "";
    socket.setEncoding("utf8").setNoDelay(true);
    socket.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#received(client, line);
      if (rest.length > MAX_LINE) this.#refuse(client, "line too long");
    });
    socket.on("error", (error) => {
      client.failed = true;
      this.#write(`Connection error: ${error.message}`);
    });
    socket.on("close", () => {
      this.#clients.delete(client);
      if (client.failed) return;
      this.#write(
        client.timedOut
          ? "Disconnected: ping timeout"
          : client.said === "bye"
            ? "Disconnected: sockets disconnected"
            : "Disconnected: transport close",
      );
    });
  }

  #received(client: Client, line: string): void {
    let message: FromClient;
    try {
      message = JSON.parse(line) as FromClient;
    } catch {
      this.#refuse(client, "not JSON");
      return;
    }
    switch (message.type) {
      case "join":
        client.name = String(message.name).slice(0, 40);
        client.room = String(message.room).slice(0, 40);
        break;
      case "say":
        if (client.room === undefined) return;
        this.#say(client.room, client.name, String(message.text));
        break;
      case "pong":
        client.answeredPing = true;
        break;
      case "bye":
        client.said = "bye";
        client.socket.end();
        break;
      default:
        this.#refuse(client, "unknown type of message");
    }
  }

  #say(room: string, from: string, text: string): void {
    this.#rooms.add(room, from, text);
    const line = JSON.stringify({ type: "message", room, from, text }) + "\n";
    for (const client of this.#clients) {
      if (client.room === room && client.socket.writable) client.socket.write(line);
    }
  }

  #refuse(client: Client, why: string): void {
    client.failed = true;
    this.#write(`Connection error: ${why}`);
    client.socket.destroy();
  }

  #pingAll(): void {
    for (const client of this.#clients) {
      if (!client.answeredPing) {
        client.timedOut = true;
        client.socket.destroy();
      } else if (client.socket.writable) {
        client.answeredPing = false;
        client.socket.write('{"type":"ping"}\n');
      }
    }
  }

  #write(message: string): void {
    this.#log.write(connectionLine(new Date(), message));
  }
}
