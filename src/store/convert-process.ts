import os from "node:os";
import { errorMessage } from "../core/error.ts";
import { convertSegment, type ConvertOptions } from "./convert.ts";

/**
 * The child process that converts one segment (closer.ts starts it): options as JSON in its first argument, the
 * outcome as its exit code, a message on standard error. It has DuckDB's memory to itself and gives all of it back.
 */
try {
  os.setPriority(os.constants.priority.PRIORITY_LOW);
} catch {
  // Only a courtesy to the agent.
}
try {
  await convertSegment(JSON.parse(process.argv[2] ?? "{}") as ConvertOptions);
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exitCode = 1;
}
