import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Ajv } from "ajv";
import { cloudIdUrl } from "../../../../src/sinks/elasticsearch/cloud-id.ts";
import { elasticsearch } from "../../../../src/sinks/elasticsearch/index.ts";
import {
  dataStreamName,
  OPTIONS,
  validate,
  type ElasticsearchOptions,
} from "../../../../src/sinks/elasticsearch/options.ts";
import { targetOf } from "../../../../src/sinks/elasticsearch/target.ts";
import { TEST_PLACEHOLDERS } from "../../../support/context.ts";

const schema = new Ajv({ useDefaults: true, strict: false }).compile<ElasticsearchOptions>(OPTIONS);

/** Options after the schema put in the defaults; fails the test where the schema refuses them. */
function options(user: Record<string, unknown>): ElasticsearchOptions {
  const copy = structuredClone(user);
  assert.ok(schema(copy), JSON.stringify(schema.errors));
  return copy;
}

const NODES = ["https://es:9200"];
const CLOUD_ID = `x:${Buffer.from("eu.example.com$abc$def").toString("base64")}`;

describe("elasticsearch options", () => {
  test("the least that is needed is the nodes, and the rest has the field's defaults", () => {
    const all = options({ nodes: NODES });
    assert.deepEqual(validate(all), []);
    assert.equal(all.compression, "gzip");
    assert.equal(all.tls.verify, true);
    assert.equal(all.install_template, true);
    assert.equal(dataStreamName(all), "logs-generic-default");
    assert.equal(dataStreamName(options({ nodes: NODES, data_stream: { dataset: "chat" } })), "logs-chat-default");
  });

  for (const [user, pointer, says] of [
    [{}, "", /neither `nodes` nor `cloud_id`/],
    [{ nodes: NODES, cloud_id: CLOUD_ID }, "/cloud_id", /beside `nodes`/],
    [{ cloud_id: "nonsense" }, "/cloud_id", /not a Cloud ID/],
    [{ nodes: ["https://u:p@es:9200"] }, "/nodes/0", /credentials in it/],
    [{ nodes: ["https://es:9200/?x=1"] }, "/nodes/0", /query/],
    [{ nodes: ["https://es:port"] }, "/nodes/0", /not a URL/],
    [{ nodes: NODES, api_key: "k", username: "u", password: "p" }, "/api_key", /not both/],
    [{ nodes: NODES, username: "u" }, "/username", /no `password`/],
    [{ nodes: NODES, password: "p" }, "/password", /no `username`/],
    [{ nodes: NODES, index: "i", data_stream: {} }, "/index", /not both/],
    [{ nodes: NODES, index: "{nope}" }, "/index", /unknown placeholder/],
    [{ nodes: NODES, index: "App-{date}" }, "/index", /lower case/],
    [{ nodes: NODES, index: "-app" }, "/index", /do not start/],
  ] as const) {
    test(`${JSON.stringify(user)} is a fault at "${pointer}"`, () => {
      const faults = validate(options(user));
      assert.deepEqual(
        faults.map(([at]) => at),
        [pointer],
      );
      assert.match(faults[0]?.[1] ?? "", says);
    });
  }

  test("parts of a data stream's name follow the server's rules", () => {
    for (const dataset of ["Upper", "with-dash", "with space", "star*", "a/b"]) {
      assert.equal(schema({ nodes: NODES, data_stream: { dataset } }), false, dataset);
    }
    assert.ok(schema({ nodes: NODES, data_stream: { dataset: "nginx.access", namespace: "prod_1" } }));
  });

  test("every example is valid", () => {
    for (const { title, options: written } of elasticsearch.examples) {
      const { type, ...rest } = written;
      assert.equal(type, "elasticsearch");
      const resolved = Object.fromEntries(
        Object.entries(rest).map(([key, value]) => [
          key,
          typeof value === "object" && !Array.isArray(value) && value !== null && ("$env" in value || "$file" in value)
            ? "secret"
            : value,
        ]),
      );
      assert.deepEqual(validate(options(resolved)), [], title);
    }
  });
});

describe("elasticsearch targets", () => {
  const context = { placeholders: { ...TEST_PLACEHOLDERS, hostname: "WebServer" } };

  test("a data stream has one template for all its namespaces", () => {
    const target = targetOf(options({ nodes: NODES, data_stream: { dataset: "chat", namespace: "prod" } }), context);
    assert.equal(target.nameAt(0), "logs-chat-prod");
    assert.equal(target.template.name, "wiretail-logs-chat");
    assert.equal(target.template.pattern, "logs-chat-*");
  });

  test("an index name follows each event's day, in lower case, and its template is for every day", () => {
    const target = targetOf(options({ nodes: NODES, index: "app-{hostname}-{date:%Y.%m.%d}" }), context);
    assert.equal(target.nameAt(Date.UTC(2026, 10, 21, 23)), "app-webserver-2026.11.21");
    assert.equal(target.template.pattern, "app-webserver-*");
    assert.equal(target.template.dataStream, undefined);
    assert.equal(targetOf(options({ nodes: NODES, index: "fixed" }), context).template.pattern, "fixed");
  });
});

describe("Cloud IDs", () => {
  const id = (text: string, label = "deployment:") => label + Buffer.from(text).toString("base64");
  test("lead to the Elasticsearch host, with the port of either part", () => {
    assert.equal(cloudIdUrl(id("eu.example.com$abc$def")), "https://abc.eu.example.com:443");
    assert.equal(cloudIdUrl(id("eu.example.com:9243$abc$def")), "https://abc.eu.example.com:9243");
    assert.equal(cloudIdUrl(id("eu.example.com:9243$abc:9244$def")), "https://abc.eu.example.com:9244");
    assert.equal(cloudIdUrl(id("eu.example.com$abc$def", "")), "https://abc.eu.example.com:443");
  });
  test("that are none are refused", () => {
    for (const text of ["", "x:", id("no dollar"), id("host/path$abc"), id("$abc"), "x:%%%"])
      assert.throws(() => cloudIdUrl(text), RangeError, text);
  });
});
