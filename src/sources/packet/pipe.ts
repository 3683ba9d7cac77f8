import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** A pipe of the kernel: what a child writes to `writeFd` comes out of `stream`. */
export interface Pipe {
  /** For the child; the caller closes it when the child has it. */
  readonly writeFd: number;
  readonly stream: Socket;
}

/**
 * What Node calls a pipe to a child is a pair of sockets: each write is a message of its own, at twice the price, which
 * counts where a program writes packet by packet. Node cannot ask for a pipe, but can open one that has a name for a
 * moment. Undefined where there is no room for that name, or no mkfifo.
 */
export function openPipe(): Pipe | undefined {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(path.join(tmpdir(), "wiretail-pipe-"));
    const name = path.join(folder, "pipe");
    execFileSync("mkfifo", ["-m", "600", name], { stdio: "ignore" });
    // In this order, or opening waits for the other end; only ours does not wait when it is empty.
    const readFd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const writeFd = openSync(name, constants.O_WRONLY);
      return { writeFd, stream: new Socket({ fd: readFd, readable: true, writable: false }) };
    } catch (error) {
      closeSync(readFd);
      throw error;
    }
  } catch {
    return undefined;
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}
