import { hostname, networkInterfaces } from "node:os";
import type { Placeholders } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import type { HostConfig } from "./config/types.ts";

/** The placeholders that only a cloud's metadata service or the environment can tell. */
export type CloudPlaceholder = "instance_id" | "aws_region" | "account_id";

const CLOUD: readonly CloudPlaceholder[] = ["instance_id", "aws_region", "account_id"];

// What the CloudWatch agent writes when it does not know, so that dashboards made for it still fit.
const UNKNOWN = {
  instance_id: "i-UNKNOWN",
  aws_region: "UNKNOWN-REGION",
  account_id: "UNKNOWN-ACCOUNT",
  ip_address: "UNKNOWN-IP",
};

const METADATA_TIMEOUT_MS = 1000;

export interface PlaceholderOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal;
  /** Told what could not be found, and what stands in for it. */
  readonly warn?: (message: string) => void;
}

/** The cloud placeholders that the options of a host's sources and sinks mention. */
export function cloudPlaceholdersIn(config: Pick<HostConfig, "sources" | "sinks">): Set<CloudPlaceholder> {
  const needed = new Set<CloudPlaceholder>();
  const visit = (value: unknown): void => {
    if (typeof value === "string") {
      for (const name of CLOUD) if (value.includes(`{${name}}`)) needed.add(name);
    } else if (typeof value === "object" && value !== null) Object.values(value).forEach(visit);
  };
  for (const component of [...config.sources, ...config.sinks]) visit(component.options);
  return needed;
}

/**
 * The values of placeholders. The environment wins (WIRETAIL_HOSTNAME, WIRETAIL_IP_ADDRESS, WIRETAIL_INSTANCE_ID,
 * WIRETAIL_ACCOUNT_ID, AWS_REGION or AWS_DEFAULT_REGION); then the host itself; then, for what only a cloud knows and
 * only where the configuration mentions it, EC2's instance metadata service (IMDSv2, at most one second). What cannot
 * be found gets the CloudWatch agent's word for it (`i-UNKNOWN`…) and a warning. Never throws.
 */
export async function resolvePlaceholders(
  config: Pick<HostConfig, "sources" | "sinks">,
  options: PlaceholderOptions = {},
): Promise<Placeholders> {
  const env = options.env ?? process.env;
  const fromEnv: Record<CloudPlaceholder, string | undefined> = {
    instance_id: filled(env["WIRETAIL_INSTANCE_ID"]),
    aws_region: filled(env["AWS_REGION"]) ?? filled(env["AWS_DEFAULT_REGION"]),
    account_id: filled(env["WIRETAIL_ACCOUNT_ID"]),
  };
  const needed = cloudPlaceholdersIn(config);
  const missing = CLOUD.filter((name) => needed.has(name) && fromEnv[name] === undefined);
  let cloud: Partial<Record<CloudPlaceholder, string>> = {};
  if (missing.length > 0) {
    try {
      cloud = await instanceIdentity(env, options);
    } catch (error) {
      const names = missing.map((name) => `{${name}} is ${UNKNOWN[name]}`).join(", ");
      const remedy = missing
        .map((name) => (name === "aws_region" ? "AWS_REGION" : `WIRETAIL_${name.toUpperCase()}`))
        .join(", ");
      options.warn?.(
        `the EC2 metadata service does not answer (${errorMessage(error)}): ${names}; set ${remedy} to say otherwise`,
      );
    }
  }
  const value = (name: CloudPlaceholder): string => fromEnv[name] ?? cloud[name] ?? UNKNOWN[name];
  return {
    hostname: filled(env["WIRETAIL_HOSTNAME"]) ?? hostname(),
    ipAddress: filled(env["WIRETAIL_IP_ADDRESS"]) ?? firstAddress() ?? UNKNOWN.ip_address,
    instanceId: value("instance_id"),
    awsRegion: value("aws_region"),
    accountId: value("account_id"),
  };
}

function filled(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}

/** The first IPv4 address that is not loopback, in the order of the interfaces. */
function firstAddress(): string | undefined {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) if (address.family === "IPv4" && !address.internal) return address.address;
  }
  return undefined;
}

/** Instance, region and account from IMDSv2's instance identity document. */
async function instanceIdentity(
  env: Readonly<Record<string, string | undefined>>,
  options: PlaceholderOptions,
): Promise<Partial<Record<CloudPlaceholder, string>>> {
  if (env["AWS_EC2_METADATA_DISABLED"]?.toLowerCase() === "true") throw new Error("AWS_EC2_METADATA_DISABLED is true");
  const base = (filled(env["AWS_EC2_METADATA_SERVICE_ENDPOINT"]) ?? "http://169.254.169.254").replace(/\/+$/, "");
  const timeout = AbortSignal.timeout(METADATA_TIMEOUT_MS);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  const get = options.fetch ?? fetch;
  const token = await get(`${base}/latest/api/token`, {
    method: "PUT",
    headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" },
    signal,
  });
  if (!token.ok) throw new Error(`status ${token.status}`);
  const headers = { "x-aws-ec2-metadata-token": await token.text() };
  const response = await get(`${base}/latest/dynamic/instance-identity/document`, { headers, signal });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const document = (await response.json()) as Record<string, unknown>;
  const text = (key: string): string | undefined => (typeof document[key] === "string" ? document[key] : undefined);
  const [instance, region, account] = [text("instanceId"), text("region"), text("accountId")];
  return {
    ...(instance === undefined ? {} : { instance_id: instance }),
    ...(region === undefined ? {} : { aws_region: region }),
    ...(account === undefined ? {} : { account_id: account }),
  };
}
