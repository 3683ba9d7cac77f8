import assert from "node:assert/strict";
import { test } from "node:test";
import { indexTemplate, replaceType } from "../../../../src/sinks/elasticsearch/index-template.ts";

const TARGET = {
  name: "wiretail-logs-chat",
  pattern: "logs-chat-*",
  example: "logs-chat-default",
  dataStream: { type: "logs", dataset: "chat" },
};
interface Properties {
  [name: string]: { type?: string; properties?: Properties; [parameter: string]: unknown };
}
const propertiesOf = (template: Record<string, unknown>) =>
  (template["template"] as { mappings: { properties: Properties } }).mappings.properties;

test("the template is a data stream's, outranks the built-in one, and takes in what a full server and the user have", () => {
  const template = indexTemplate(TARGET);
  assert.deepEqual(template["index_patterns"], ["logs-chat-*"]);
  assert.deepEqual(template["data_stream"], {});
  assert.ok((template["priority"] as number) > 100);
  assert.deepEqual(template["composed_of"], template["ignore_missing_component_templates"]);
  assert.ok((template["composed_of"] as string[]).includes("wiretail-logs-chat@custom"));
  const properties = propertiesOf(template);
  assert.equal(properties["@timestamp"]?.type, "date");
  assert.equal(properties["data_stream"]?.properties?.["dataset"]?.["value"], "chat");
  assert.equal(properties["source"]?.properties?.["ip"]?.type, "ip");
  assert.equal(properties["event"]?.properties?.["original"]?.["index"], false);
});

test("a plain index's template makes no data stream, and a more specific pattern outranks a wider one", () => {
  const plain = (pattern: string) => indexTemplate({ name: "n", pattern, example: "app-1", dataStream: undefined });
  assert.equal(plain("app-*")["data_stream"], undefined);
  assert.ok((plain("app-web-*")["priority"] as number) > (plain("app-*")["priority"] as number));
});

test("a type that a server lacks is replaced everywhere, with parameters that the next best does not know", () => {
  const template = structuredClone(indexTemplate(TARGET));
  for (const type of ["match_only_text", "constant_keyword", "wildcard"]) {
    assert.equal(replaceType(template, type), true, type);
    assert.equal(replaceType(template, type), false, `${type} is gone`);
    assert.doesNotMatch(JSON.stringify(template), new RegExp(`"type":"${type}"`));
  }
  const dataset = propertiesOf(template)["data_stream"]?.properties?.["dataset"];
  assert.deepEqual(dataset, { type: "keyword", ignore_above: 1024 });
  assert.equal(propertiesOf(template)["message"]?.type, "text");
});

test("a type without a next best is not replaced", () => {
  assert.equal(replaceType(structuredClone(indexTemplate(TARGET)), "date"), false);
  assert.equal(replaceType(undefined, "wildcard"), false);
});
