import { defineSink } from "../../core/component.ts";
import { CallNames } from "./call-names.ts";
import { Connection } from "./client.ts";
import { OPTIONS, validate } from "./options.ts";
import { ElasticsearchSink } from "./sink.ts";
import { destinationFaults } from "./target.ts";

/** Elasticsearch 8 and 9, and Elastic Cloud, by the bulk API. */
export const elasticsearch = defineSink({
  type: "elasticsearch",
  summary: "Sends events to Elasticsearch data streams or indices",
  description: `Writes with the bulk API's \`create\`, with an id that is the same on every retry and restart: an event that is
there already answers 409, which counts as delivered. After a rollover, where ids no longer protect, events that may
have arrived before are looked up first.

Each document gets its own verdict. Faults of a document (it does not fit the mapping) send it to the dead letters with
the server's reason. Overload is tried again with growing pauses. Anything that somebody has to mend (credentials,
privileges, a read-only or closed index, a missing one) holds the refused documents until it is mended.

Before the first write an index template with the right types for ECS fields is installed, unless one of another origin
is for that name. Where a server lacks a field type the next best is used, and the log says which.

Privileges needed: \`create_doc\` and \`auto_configure\` on the data stream, \`manage_index_templates\` for the
template, and for the look-up after a rollover \`view_index_metadata\` and \`read\` on the data stream and the
cluster privilege \`monitor\` (to see whether the server still works on a call without an answer).

A circuit breaker for each node leaves out those that fail, and probes them beside the traffic. \`Retry-After\` is kept.`,
  stability: "stable",
  schema: OPTIONS,
  examples: [
    {
      title: "A data stream, with an API key from the environment",
      options: {
        type: "elasticsearch",
        nodes: ["https://es-1:9200", "https://es-2:9200"],
        api_key: { $env: "ES_API_KEY" },
        data_stream: { dataset: "socketchat" },
      },
    },
    {
      title: "Elastic Cloud",
      options: {
        type: "elasticsearch",
        cloud_id: "logs:ZXUtd2VzdC0xLmF3cy5mb3VuZC5pbyRhYmNkZWYkMTIzNDU2",
        api_key: { $file: "/etc/wiretail/es-api-key" },
        data_stream: { dataset: "nginx.access", namespace: "prod" },
      },
    },
    {
      title: "An index a day on an own server with its own certificate authority",
      options: {
        type: "elasticsearch",
        nodes: ["https://es.example.net:9200"],
        username: "wiretail",
        password: { $env: "ES_PASSWORD" },
        ca_file: "/etc/wiretail/ca.pem",
        index: "app-{date:%Y.%m.%d}",
      },
    },
  ],
  metrics: [
    { name: "elasticsearch_bulk_requests", kind: "counter", unit: "requests", description: "Bulk calls sent." },
    {
      name: "elasticsearch_sent_bytes",
      kind: "counter",
      unit: "bytes",
      description: "Bytes of bulk bodies sent, after compression.",
    },
    {
      name: "elasticsearch_duplicates",
      kind: "counter",
      unit: "events",
      description: "Events that the server had already (409, or found when it was looked up): delivered before.",
    },
    {
      name: "elasticsearch_looked_up_events",
      kind: "counter",
      unit: "events",
      description: "Events that may have arrived before and were looked up in older indices.",
    },
    {
      name: "elasticsearch_unchecked_events",
      kind: "counter",
      unit: "events",
      description:
        "Events that may have arrived before and could not be looked up for want of privileges: after a rollover they may be there twice.",
    },
    {
      name: "elasticsearch_failure_store",
      kind: "counter",
      unit: "events",
      description: "Events that the server took into the data stream's failure store instead of the data stream.",
    },
  ],
  validate,
  destinationFaults,
  async create(options, context) {
    if (!options.tls.verify) {
      context.log.warn(
        "tls.verify is off: the servers' certificates are not checked, anyone in between can read and change events",
      );
    }
    const names = await CallNames.open(context);
    const connection = await Connection.open(options, names.prefix, context);
    return new ElasticsearchSink(options, context, connection, names);
  },
});
