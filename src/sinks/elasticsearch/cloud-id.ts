/**
 * Cloud IDs are `<label>:<base64 of "<domain>[:port]$<elasticsearch id>$<kibana id>">`. The Elasticsearch id may bring
 * a port of its own.
 */
export function cloudIdUrl(cloudId: string): string {
  const parsed = parse(cloudId);
  if (typeof parsed === "string") throw new RangeError(parsed);
  return parsed.url;
}

/** What is wrong with a Cloud ID, or undefined. */
export function cloudIdFault(cloudId: string): string | undefined {
  const parsed = parse(cloudId);
  return typeof parsed === "string" ? parsed : undefined;
}

function parse(cloudId: string): { url: string } | string {
  const encoded = cloudId.slice(cloudId.lastIndexOf(":") + 1);
  const [domain = "", id = ""] = Buffer.from(encoded, "base64").toString("utf8").split("$");
  const [host = "", domainPort] = domain.split(":");
  const [name = "", ownPort] = id.split(":");
  if (!/^[a-z0-9.-]+$/i.test(host) || !/^[a-z0-9.-]+$/i.test(name)) {
    return "is not a Cloud ID; expected `name:` and base64 text, as the deployment's page in Elastic Cloud shows it";
  }
  return { url: `https://${name}.${host}:${ownPort ?? domainPort ?? "443"}` };
}
