import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDestination } from "../../../../src/cli/tail/destination.ts";
import { WiretailError } from "../../../../src/core/error.ts";

test("a web address is Elasticsearch, with an index, a data stream or neither", () => {
  const options = (url: string, env = {}): object => parseDestination(url, env).options;
  const node = { type: "elasticsearch", nodes: ["http://localhost:9200"] };
  assert.deepEqual(options("http://localhost:9200"), node);
  assert.deepEqual(options("http://localhost:9200/app"), { ...node, index: "app" });
  assert.deepEqual(options("http://localhost:9200/logs-web-prod/"), {
    ...node,
    data_stream: { type: "logs", dataset: "web", namespace: "prod" },
  });
});

test("credentials come from the address, or else from the environment, and are in no label", () => {
  const { options, label } = parseDestination("https://ada:p%40ss@es:9200/app", { ES_API_KEY: "unused" });
  assert.deepEqual(options, { type: "elasticsearch", nodes: ["https://es:9200"], username: "ada", password: "p@ss", index: "app" }); // prettier-ignore
  assert.equal(label, "https://es:9200/app");
  assert.equal(parseDestination("https://es:9200/app", { ES_API_KEY: "key" }).options["api_key"], "key");
  assert.deepEqual(parseDestination("https://es:9200", { ES_USERNAME: "u", ES_PASSWORD: "p" }).options, {
    ...{ type: "elasticsearch", nodes: ["https://es:9200"], username: "u", password: "p" },
  });
});

test("cloudwatch:// names region, group, stream and endpoint", () => {
  const common = { type: "cloudwatch_logs", message: "original" };
  assert.deepEqual(parseDestination("cloudwatch://eu-west-1/web?stream=a", {}).options, {
    ...{ ...common, log_group_name: "web", log_stream_name: "a", region: "eu-west-1" },
  });
  assert.deepEqual(parseDestination("cloudwatch:////aws/web?endpoint=http://localhost:5000", {}).options, {
    ...{ ...common, log_group_name: "/aws/web", log_stream_name: "{hostname}", endpoint: "http://localhost:5000" },
  });
});

test("anything else is refused with the forms that are known", () => {
  for (const bad of [
    "nonsense",
    "kafka://broker/topic",
    "http://es/a/b",
    "cloudwatch://eu-west-1",
    "cloudwatch://r/g?x=1",
  ])
    assert.throws(
      () => parseDestination(bad, {}),
      (error) => error instanceof WiretailError && error.code === "WT_USAGE" && /cloudwatch:/.test(error.hint ?? ""),
      bad,
    );
});
