import type { CefTake } from "../../core/plan.ts";
import { isIp } from "../ip.ts";

/** ECS writes MAC addresses as RFC 7042 does. */
const mac = (value: string): unknown =>
  /^[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}$/.test(value) ? value.replaceAll(":", "-").toUpperCase() : undefined;

/** ECS fields of the extensions that have one, by their short names. */
export const CEF_FIELDS: Readonly<Record<string, readonly [field: string, take: CefTake]>> = {
  act: ["event.action", "text"],
  app: ["network.protocol", "lower"],
  cat: ["cef.category", "text"],
  dhost: ["destination.domain", "text"],
  dmac: ["destination.mac", mac],
  dpid: ["destination.process.pid", "integer"],
  dproc: ["destination.process.name", "text"],
  dpt: ["destination.port", "integer"],
  dst: ["destination.ip", "ip"],
  duid: ["destination.user.id", "text"],
  duser: ["destination.user.name", "text"],
  dvc: ["observer.ip", "ip"],
  dvchost: ["observer.hostname", "text"],
  dvcmac: ["observer.mac", mac],
  externalId: ["event.id", "text"],
  fileHash: ["file.hash.md5", (value) => (/^[0-9a-fA-F]{32}$/.test(value) ? value.toLowerCase() : undefined)],
  filePath: ["file.path", "text"],
  fname: ["file.name", "text"],
  fsize: ["file.size", "integer"],
  in: ["source.bytes", "integer"],
  msg: ["message", "text"],
  out: ["destination.bytes", "integer"],
  outcome: [
    "event.outcome",
    (value) => (/^(?:success|failure|unknown)$/i.test(value) ? value.toLowerCase() : undefined),
  ],
  proto: ["network.transport", "lower"],
  reason: ["event.reason", "text"],
  request: ["url.original", "text"],
  requestClientApplication: ["user_agent.original", "text"],
  requestMethod: ["http.request.method", "text"],
  shost: ["source.domain", "text"],
  smac: ["source.mac", mac],
  spid: ["source.process.pid", "integer"],
  sproc: ["source.process.name", "text"],
  spt: ["source.port", "integer"],
  src: ["source.ip", "ip"],
  suid: ["source.user.id", "text"],
  suser: ["source.user.name", "text"],
};

/** What an extension's text means; undefined where it is not that. */
export function takeExtension(take: CefTake, text: string): unknown {
  switch (take) {
    case "text":
      return text;
    case "lower":
      return text.toLowerCase();
    case "integer":
      return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
    case "ip":
      return isIp(text) ? text : undefined;
    default:
      return take(text);
  }
}
