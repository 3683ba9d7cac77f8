import { WiretailError } from "../../core/error.ts";

/** Where `tail --to URL` ships to: a sink as a host file would say it, and what to call it. */
export interface Destination {
  readonly options: Readonly<Record<string, unknown>>;
  /** Without credentials. */
  readonly label: string;
}

/** What every message about a bad URL shows. */
export const DESTINATION_FORMS =
  "https://es.example.com:9200/INDEX (Elasticsearch), or cloudwatch://REGION/LOG-GROUP?stream=STREAM (CloudWatch Logs)";

const DATA_STREAM = /^([a-z0-9_.]+)-([^-]+)-([^-]+)$/;

/**
 * Reads the URL of `--to`.
 *
 * - `http(s)://[user:password@]host:port[/index]`: Elasticsearch. A name such as `logs-app-default` is a data stream,
 *   no name `logs-generic-default`. Without credentials in the URL: `ES_API_KEY`, or `ES_USERNAME` and `ES_PASSWORD`.
 * - `cloudwatch://[region]/group[?stream=name&endpoint=url]`: CloudWatch Logs. A group that begins with `/` has two
 *   slashes after the region. Credentials are those of the AWS tools.
 */
export function parseDestination(text: string, env: Readonly<Record<string, string | undefined>>): Destination {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw unfit(`--to "${text}" is not a URL`);
  }
  if (url.protocol === "http:" || url.protocol === "https:") return elasticsearch(url, env);
  if (url.protocol === "cloudwatch:") return cloudWatch(url);
  throw unfit(`--to: nothing is known of ${url.protocol}//`);
}

function elasticsearch(url: URL, env: Readonly<Record<string, string | undefined>>): Destination {
  const name = decodeURIComponent(url.pathname.replace(/^\/+|\/+$/g, ""));
  if (name.includes("/") || url.search !== "" || url.hash !== "")
    throw unfit("--to: what stands behind the server's address is the name of one index or data stream");
  const stream = DATA_STREAM.exec(name);
  const [, type, dataset, namespace] = stream ?? [];
  const target = name === "" ? {} : stream === null ? { index: name } : { data_stream: { type, dataset, namespace } };
  return {
    options: { type: "elasticsearch", nodes: [url.origin], ...credentials(url, env), ...target },
    label: `${url.origin}/${name === "" ? "logs-generic-default" : name}`,
  };
}

function credentials(url: URL, env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  if (url.username !== "")
    return { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  const { ES_API_KEY: key, ES_USERNAME: username, ES_PASSWORD: password } = env;
  if (key !== undefined && key !== "") return { api_key: key };
  return username === undefined || username === "" ? {} : { username, password: password ?? "" };
}

function cloudWatch(url: URL): Destination {
  // One slash ends the region; a second one begins the group's name.
  const group = decodeURIComponent(url.pathname.slice(1));
  if (group === "") throw unfit(`--to ${url.href} names no log group`);
  for (const key of url.searchParams.keys())
    if (key !== "stream" && key !== "endpoint") throw unfit(`--to: "${key}" is neither stream nor endpoint`);
  const stream = url.searchParams.get("stream") ?? "{hostname}";
  const endpoint = url.searchParams.get("endpoint");
  return {
    options: {
      ...{ type: "cloudwatch_logs", log_group_name: group, log_stream_name: stream, message: "original" },
      ...(url.host === "" ? {} : { region: url.host }),
      ...(endpoint === null ? {} : { endpoint }),
    },
    label: `CloudWatch Logs ${group}`,
  };
}

function unfit(message: string): WiretailError {
  return new WiretailError("WT_USAGE", message, { hint: `give ${DESTINATION_FORMS}` });
}
