import type { Handler } from "./control.ts";
import { prometheusText, type Sample } from "./metrics.ts";
import type { AgentStatus } from "./status.ts";
import { statusSamples } from "./status-samples.ts";

/** What the control socket and the HTTP address answer: `/status`, `/metrics`, `/healthz`. */
export function statusHandler(status: () => AgentStatus, componentSamples: () => Sample[]): Handler {
  return (path) => {
    if (path === "/status") return { status: 200, type: "application/json", body: JSON.stringify(status()) + "\n" };
    if (path === "/metrics") {
      const body = prometheusText([...statusSamples(status()), ...componentSamples()]);
      return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body };
    }
    if (path === "/healthz") {
      const { healthy } = status();
      const body = healthy ? "ok\n" : "not healthy: see wiretail status\n";
      return { status: healthy ? 200 : 503, type: "text/plain; charset=utf-8", body };
    }
    return undefined;
  };
}
