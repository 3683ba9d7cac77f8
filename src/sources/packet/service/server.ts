import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { WiretailError } from "../../../core/error.ts";
import { CaptureChild } from "../child.ts";
import { chooseDriver } from "../drivers/choose.ts";
import { packetDefaults, type PacketOptions } from "../options.ts";
import { FRAME, frameHeader } from "./frames.ts";

/** What an agent may ask for. The interface is the service's own business. */
export type CaptureRequest = Pick<PacketOptions, "snap_length" | "promiscuous" | "buffer_bytes" | "filter">;

const MAX_REQUEST_BYTES = 64 * 1024;

/**
 * Captures on one interface for whoever connects to a unix socket: each connection gets a tcpdump of its own, which ends
 * with it. Resolves when it listens. Only users who may write to the socket (owner and group) can connect.
 */
export async function serveCaptures(interfaceName: string, path: string): Promise<{ close(): Promise<void> }> {
  // That nothing can be captured is said at once, not when somebody asks.
  const driver = chooseDriver("tcpdump");
  if (Buffer.byteLength(path) > 107)
    throw new WiretailError("WT_USAGE", `the socket's path is too long for the system (107 bytes): ${path}`);
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const captures = new Set<Promise<void>>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy()).once("close", () => sockets.delete(socket));
    receive(socket, (request) => {
      const argv = driver.argv({ ...packetDefaults(), ...request }, interfaceName);
      const running = capture(socket, argv, driver.tellCounts).finally(() => captures.delete(running));
      captures.add(running);
    });
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  await chmod(path, 0o660);
  return {
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await Promise.allSettled(captures);
    },
  };
}

/** Reads the line that says what to capture, and calls `start` with it once; anything else ends the connection. */
function receive(socket: Socket, start: (request: CaptureRequest) => void): void {
  let text = "";
  const onData = (chunk: Buffer): void => {
    text += chunk.toString();
    const end = text.indexOf("\n");
    if (end < 0 && text.length <= MAX_REQUEST_BYTES) return;
    socket.off("data", onData);
    const request = parseRequest(text.slice(0, end));
    if (request === undefined) socket.destroy();
    else start(request);
  };
  socket.on("data", onData);
  // Without a request it has no purpose.
  socket.once("end", () => {
    if (!text.includes("\n")) socket.destroy();
  });
}

/** Undefined where a text is no request: it comes from a process with fewer privileges. */
export function parseRequest(text: string): CaptureRequest | undefined {
  try {
    const { snap_length, promiscuous, buffer_bytes, filter } = JSON.parse(text) as Record<string, unknown>;
    const isWhole = (value: unknown, least: number, most: number): value is number =>
      Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
    if (!isWhole(snap_length, 64, 262_144) || !isWhole(buffer_bytes, 262_144, 1_073_741_824)) return undefined;
    if (typeof promiscuous !== "boolean") return undefined;
    if (filter !== undefined && typeof filter !== "string") return undefined;
    return { snap_length, promiscuous, buffer_bytes, ...(filter === undefined ? {} : { filter }) };
  } catch {
    return undefined;
  }
}

async function capture(
  socket: Socket,
  argv: readonly string[],
  countsSignal: NodeJS.Signals | undefined,
): Promise<void> {
  const send = (kind: number, payload: Uint8Array): boolean => {
    if (!socket.writable) return true;
    socket.write(frameHeader(kind, payload.length));
    return socket.write(payload);
  };
  const child = new CaptureChild(argv, (line) => void send(FRAME.line, Buffer.from(line)), countsSignal);
  const stop = (): void => child.stop();
  socket.once("end", stop).once("close", stop);
  socket.on("data", () => child.askCounts());
  socket.resume();
  for await (const chunk of child.stdout) {
    if (send(FRAME.capture, chunk) || socket.destroyed) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        socket.off("drain", go).off("close", go);
        resolve();
      };
      socket.on("drain", go).on("close", go);
    });
  }
  const end = await child.ended;
  send(FRAME.end, Buffer.from(JSON.stringify(end)));
  socket.end();
}
