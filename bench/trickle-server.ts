import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/**
 * The server of the trickle: notes how old each line is when it arrives, by the `at=` that it carries (milliseconds since
 * the epoch, the same host's clock). It answers its parent's `"latencies"` and forgets all at `"reset"`.
 */
export interface Received {
  readonly type: "latencies";
  readonly latenciesMs: number[];
}

let latenciesMs: number[] = [];

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const now = Date.now();
    response.setHeader("X-Elastic-Product", "Elasticsearch");
    response.setHeader("Content-Type", "application/json");
    if (request.url?.includes("/_bulk") !== true) {
      response.end('{"acknowledged":true,"version":{"number":"8.19.0","build_flavor":"default"}}');
      return;
    }
    const wire = Buffer.concat(chunks);
    const body = (request.headers["content-encoding"] === "gzip" ? gunzipSync(wire) : wire).toString("latin1");
    for (const [, at] of body.matchAll(/"message":"at=(\d+) /g)) latenciesMs.push(now - Number(at));
    response.end('{"took":1,"errors":false,"items":[]}');
  });
});
server.listen(0, "127.0.0.1", () => {
  process.send?.({ type: "listening", port: (server.address() as AddressInfo).port });
});
process.on("message", (asked) => {
  if (asked === "reset") latenciesMs = [];
  if (asked === "latencies") process.send?.({ type: "latencies", latenciesMs } satisfies Received);
});
process.on("disconnect", () => process.exit(0));
