import { templateFault } from "../../codec/template.ts";
import { t, type Infer } from "../../core/schema.ts";
import { cloudIdFault } from "./cloud-id.ts";

export const OPTIONS = t.object({
  nodes: t.optional(
    t.array(t.string({ pattern: "^https?://" }), {
      description:
        "Addresses of the cluster's nodes. Calls take turns; a node that fails is left out for a while. Either this or `cloud_id`.",
      minItems: 1,
      examples: [["https://es-1:9200", "https://es-2:9200"]],
    }),
  ),
  cloud_id: t.optional(
    t.string({
      description: "The Cloud ID of an Elastic Cloud deployment, as its console shows it.",
      "x-identity": true,
    }),
  ),
  api_key: t.optional(
    t.secret({
      description: "API key in the encoded form (base64 of `id:key`). Either this or `username` and `password`.",
    }),
  ),
  username: t.optional(t.string({ description: "User name for basic authentication." })),
  password: t.optional(t.secret({ description: "Password for basic authentication." })),
  ca_file: t.optional(
    t.string({
      description:
        "PEM file with the certificate authority that signed the servers' certificates. By default those that Node knows.",
      "x-syntax": "path",
    }),
  ),
  tls: t.object(
    {
      verify: t.boolean({
        description:
          "Check the servers' certificates. Off only for tests: anyone in between can then read and change events.",
        default: true,
      }),
    },
    { description: "How TLS is done.", default: { verify: true } },
  ),
  data_stream: t.optional(
    t.object(
      {
        type: t.string({
          description: "First part of the data stream's name.",
          default: "logs",
          pattern: "^[a-z0-9_.]+$",
        }),
        dataset: t.string({
          description: "Second part: what the events are about. Lower case, no `-`.",
          default: "generic",
          pattern: '^[^-A-Z\\\\/*?"<>| ,#:]+$',
          maxLength: 100,
        }),
        namespace: t.string({
          description: "Third part: an environment or a team, by choice. Lower case, no `-`.",
          default: "default",
          pattern: '^[^-A-Z\\\\/*?"<>| ,#:]+$',
          maxLength: 100,
        }),
      },
      {
        description:
          "Write to the data stream `<type>-<dataset>-<namespace>`; this is the default, with `logs-generic-default`. Either this or `index`.",
        "x-identity": true,
      },
    ),
  ),
  index: t.optional(
    t.string({
      description:
        "Write to plain indices of this name instead of a data stream. Placeholders: {hostname} {instance_id} {ip_address} {aws_region} {account_id} {date} {date:%Y.%m}.",
      "x-syntax": "template",
      "x-identity": true,
      minLength: 1,
      maxLength: 255,
      examples: ["app-{date:%Y.%m.%d}"],
    }),
  ),
  pipeline: t.optional(t.string({ description: "An ingest pipeline of the cluster that documents go through." })),
  compression: t.enum(["gzip", "none"], {
    description: "How request bodies are compressed. `none` saves CPU where the network is fast.",
    default: "gzip",
  }),
  compression_level: t.integer({
    description:
      "How hard gzip tries: 1 is quickest, 9 makes bodies smallest. 6 takes half as long again as 1, for bodies smaller by a tenth; 9 six times as long, by a fifth.",
    default: 1,
    minimum: 1,
    maximum: 9,
  }),
  request_timeout_ms: t.integer({
    description: "How long one call may take, in milliseconds, before it is given up and tried again.",
    default: 90_000,
    minimum: 1_000,
  }),
  unknown_error_timeout_ms: t.integer({
    description:
      "How long a single event may be refused with an error that Wiretail does not know, in milliseconds, while others for the same index are taken. Then it goes to the dead letters.",
    default: 900_000,
    minimum: 1_000,
  }),
  install_template: t.boolean({
    description:
      "Install an index template with the right types of ECS fields before the first write, unless there is one of another origin or a newer one of ours.",
    default: true,
  }),
});

export type ElasticsearchOptions = Infer<typeof OPTIONS>;

/** Faults that the schema cannot say, as [pointer, message]. */
export function validate(options: ElasticsearchOptions): (readonly [string, string])[] {
  const faults: [string, string][] = [];
  const { nodes, cloud_id, api_key, username, password, data_stream, index } = options;
  if (nodes === undefined && cloud_id === undefined)
    faults.push(["", "says neither `nodes` nor `cloud_id`: one is needed"]);
  if (nodes !== undefined && cloud_id !== undefined)
    faults.push(["/cloud_id", "stands beside `nodes`: give one of the two"]);
  if (cloud_id !== undefined) {
    const fault = cloudIdFault(cloud_id);
    if (fault !== undefined) faults.push(["/cloud_id", fault]);
  }
  nodes?.forEach((node, i) => {
    const fault = nodeFault(node);
    if (fault !== undefined) faults.push([`/nodes/${i}`, fault]);
  });
  if (api_key !== undefined && username !== undefined) {
    faults.push(["/api_key", "stands beside `username`: give an API key or a user, not both"]);
  }
  if (username !== undefined && password === undefined) faults.push(["/username", "has no `password` beside it"]);
  if (password !== undefined && username === undefined) faults.push(["/password", "has no `username` beside it"]);
  if (data_stream !== undefined && index !== undefined) {
    faults.push(["/index", "stands beside `data_stream`: events go to a data stream or to plain indices, not both"]);
  }
  if (index !== undefined) {
    const fault = templateFault(index) ?? indexNameFault(index);
    if (fault !== undefined) faults.push(["/index", fault]);
  }
  return faults;
}

function nodeFault(node: string): string | undefined {
  let url: URL;
  try {
    url = new URL(node);
  } catch {
    return `"${node}" is not a URL; expected one like https://es-1:9200`;
  }
  if (url.username !== "" || url.password !== "")
    return "has credentials in it: use `username` and `password`, or `api_key`";
  if (url.search !== "" || url.hash !== "") return "has a query or fragment: only scheme, host, port and path are used";
  return undefined;
}

/** The server's rules, on what stands outside placeholders. */
export function indexNameFault(index: string): string | undefined {
  const fixed = index.replace(/\{[^{}]*\}/g, "");
  const bad = /[A-Z\\/*?"<>| ,#:]/.exec(fixed)?.[0];
  if (bad !== undefined) return `index names are lower case, without \\ / * ? " < > | , # : and spaces; found "${bad}"`;
  if (/^[-_+]/.test(index)) return "index names do not start with - _ or +";
  return undefined;
}

/** Where events go, in the options' terms. */
export function dataStreamName(options: ElasticsearchOptions): string | undefined {
  if (options.index !== undefined) return undefined;
  const { type, dataset, namespace } = options.data_stream ?? {
    type: "logs",
    dataset: "generic",
    namespace: "default",
  };
  return `${type}-${dataset}-${namespace}`;
}
