import type { ProbeResult } from "../../core/component.ts";
import { errorMessage } from "../../core/error.ts";
import { CallFailed, type Connection } from "./client.ts";
import { findTemplate } from "./index-template.ts";
import type { ElasticsearchOptions } from "./options.ts";
import type { Target } from "./target.ts";

export interface Probing {
  readonly connection: Connection;
  readonly options: ElasticsearchOptions;
  readonly target: Target;
  /** Where an event of now would go. */
  readonly name: string;
  readonly signal: AbortSignal;
}

/** In the order of dependence: what comes after a failure that explains it is not tried. */
export async function probe(probing: Probing): Promise<ProbeResult[]> {
  const server = await probeServer(probing);
  if (server.some((result) => !result.ok)) return server;
  const results = [...server, await probePrivileges(probing)];
  results.push(await guarded("index template", () => probeTemplate(probing)));
  results.push(await guarded("writable", () => probeTarget(probing)));
  return results;
}

async function probeServer({ connection, options, signal }: Probing): Promise<ProbeResult[]> {
  const where = options.nodes?.join(", ") ?? "the Elastic Cloud deployment";
  try {
    const version = await serverVersion(connection, signal);
    const said = [{ check: "server", ok: true, detail: `Elasticsearch ${version} answers at ${where}` }];
    const how =
      options.api_key !== undefined
        ? "API key"
        : options.username !== undefined
          ? `user ${options.username}`
          : undefined;
    if (how !== undefined) said.push({ check: "credentials", ok: true, detail: `the server accepts the ${how}` });
    return said;
  } catch (error) {
    const status = error instanceof CallFailed ? error.status : 0;
    const detail = errorMessage(error);
    if (status === 401) {
      return [
        { check: "server", ok: true, detail: `something answers at ${where}` },
        { check: "credentials", ok: false, detail, hint: credentialsHint(options) },
      ];
    }
    return [{ check: "server", ok: false, detail: `${where}: ${detail}`, hint: serverHint(detail, status) }];
  }
}

/** `GET /` tells the version only where its module is there, and where the privilege `monitor` is. */
async function serverVersion(connection: Connection, signal: AbortSignal): Promise<string> {
  try {
    const reply = await connection.call(
      { method: "GET", path: "/_nodes/_local", query: { filter_path: "nodes.*.version" } },
      signal,
    );
    const { nodes } = reply.body as { nodes?: Record<string, { version?: string }> };
    const version = Object.values(nodes ?? {})[0]?.version;
    if (version !== undefined) return version;
  } catch (error) {
    if (!(error instanceof CallFailed) || ![400, 403, 404, 405, 410].includes(error.status)) throw error;
  }
  try {
    const reply = await connection.call({ method: "GET", path: "/" }, signal);
    return (reply.body as { version?: { number?: string } }).version?.number ?? "(version not told)";
  } catch (error) {
    if (error instanceof CallFailed && error.status === 403) return "(version not told to this user)";
    throw error;
  }
}

function credentialsHint({ api_key, username }: ElasticsearchOptions): string {
  if (api_key !== undefined)
    return "make a new API key in Kibana (Stack Management, API keys) and give its encoded form as api_key";
  if (username !== undefined) return "check username and password";
  return "this server wants credentials: give api_key, or username and password";
}

function serverHint(detail: string, status: number): string {
  if (/TLS:/.test(detail))
    return "give the certificate authority's PEM file as ca_file, and check http or https in nodes";
  if (/ENOTFOUND|EAI_AGAIN/.test(detail)) return "the name does not resolve: check nodes, or this host's DNS";
  if (/ECONNREFUSED/.test(detail)) return "nothing listens there: check the port, and whether the server runs";
  if (/not Elasticsearch/.test(detail)) return "check nodes: another program answers at that address";
  if (status >= 500 || status === 429) return "the server answers but cannot work now: look at its health and logs";
  return "check nodes, the network path and firewalls between this host and the server";
}

interface HasPrivileges {
  readonly has_all_requested?: boolean;
  readonly cluster?: Record<string, boolean>;
  readonly index?: Record<string, Record<string, boolean>>;
}

async function probePrivileges({ connection, options, name, target, signal }: Probing): Promise<ProbeResult> {
  const check = "privileges";
  const needed = ["create_doc", "auto_configure"];
  const useful = target.dataStream === undefined ? [] : ["view_index_metadata", "read"];
  const cluster = options.install_template ? ["manage_index_templates"] : [];
  const usefulInCluster = target.dataStream === undefined ? [] : ["monitor"];
  try {
    const reply = await connection.call(
      {
        method: "POST",
        path: "/_security/user/_has_privileges",
        body: {
          cluster: [...cluster, ...usefulInCluster],
          index: [{ names: [name], privileges: [...needed, ...useful] }],
        },
      },
      signal,
    );
    const said = reply.body as HasPrivileges;
    const lacks = (privilege: string) =>
      said.index?.[name]?.[privilege] === false || said.cluster?.[privilege] === false;
    const missing = [...needed, ...cluster].filter(lacks);
    const wanted = [...useful, ...usefulInCluster].filter(lacks);
    if (missing.length > 0) {
      return {
        check,
        ok: false,
        detail: `missing for ${name}: ${missing.join(", ")}`,
        hint: `give the role or API key the index privileges ${needed.join(", ")} on ${target.template.pattern}${
          cluster.length > 0
            ? ' and the cluster privilege manage_index_templates (or set "install_template": false)'
            : ""
        }`,
      };
    }
    const note =
      wanted.length > 0
        ? `; warning: without ${wanted.join(", ")} events that are sent again after a rollover may appear twice (counted as elasticsearch_unchecked_events)`
        : "";
    return { check, ok: true, detail: `may write to ${name}${note}` };
  } catch (error) {
    if (error instanceof CallFailed && [400, 404, 405].includes(error.status)) {
      return { check, ok: true, detail: "not supported by this server (security is off): everybody may write" };
    }
    return {
      check,
      ok: false,
      detail: errorMessage(error),
      hint: "the server did not tell: look at its logs, then try again",
    };
  }
}

async function probeTemplate({ connection, options, target, signal }: Probing): Promise<ProbeResult> {
  const check = "index template";
  const found = await findTemplate(connection, target.template, signal);
  if (found?.state === "foreign") return { check, ok: true, detail: `${found.name} is for ${target.template.example}` };
  if (found !== undefined) return { check, ok: true, detail: `${target.template.name} is installed` };
  if (options.install_template)
    return { check, ok: true, detail: `${target.template.name} will be installed before the first write` };
  if (target.dataStream === undefined) return { check, ok: true, detail: "none; the server guesses field types" };
  return {
    check,
    // Full servers have one for logs-*-* of their own; findTemplate does not count it.
    ok: target.dataStream.startsWith("logs-"),
    detail: `none of ours or yours is for ${target.dataStream}`,
    hint: 'set "install_template": true, or make an index template with data_stream for that name',
  };
}

async function probeTarget({ connection, name, signal }: Probing): Promise<ProbeResult> {
  const check = "writable";
  let indices: Record<string, { settings?: Record<string, string> }>;
  try {
    const path = `/${encodeURIComponent(name)}/_settings`;
    const reply = await connection.call(
      { method: "GET", path, query: { flat_settings: "true", expand_wildcards: "all" } },
      signal,
    );
    indices = reply.body as typeof indices;
  } catch (error) {
    if (error instanceof CallFailed && error.status === 404) {
      return { check, ok: true, detail: `${name} does not exist yet: the first write makes it` };
    }
    if (error instanceof CallFailed && error.status === 403) {
      return { check, ok: true, detail: "not looked at: this user may not read settings (view_index_metadata)" };
    }
    throw error;
  }
  // Backing indices count up, so the last is the one that is written to.
  const [index = name, { settings = {} } = {}] =
    Object.entries(indices)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .at(-1) ?? [];
  const blocks = Object.keys(settings).filter((key) => key.startsWith("index.blocks.") && settings[key] === "true");
  if (settings["index.verified_before_close"] === "true") {
    return { check, ok: false, detail: `${index} is closed`, hint: `open it: POST /${index}/_open` };
  }
  if (blocks.length > 0) {
    return {
      check,
      ok: false,
      detail: `${index} is blocked by ${blocks.join(", ")}`,
      hint: blocks.includes("index.blocks.read_only_allow_delete")
        ? "the disk was too full: make space, then set index.blocks.read_only_allow_delete to null"
        : `remove the block: PUT /${index}/_settings {"${blocks[0]}": null}, or roll over`,
    };
  }
  return { check, ok: true, detail: `${index} takes documents` };
}

async function guarded(check: string, probeOne: () => Promise<ProbeResult>): Promise<ProbeResult> {
  try {
    return await probeOne();
  } catch (error) {
    return {
      check,
      ok: false,
      detail: errorMessage(error),
      hint: "look at the server's health and at the privileges, then try again",
    };
  }
}
