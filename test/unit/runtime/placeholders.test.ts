import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostConfig } from "../../../src/runtime/config/types.ts";
import { resolvePlaceholders } from "../../../src/runtime/placeholders.ts";

function hostWith(template: string): Pick<HostConfig, "sources" | "sinks"> {
  return { sources: [], sinks: [{ options: { groups: [{ name: template }] } }] } as unknown as HostConfig;
}

/** A metadata service; remembers what was asked. */
function metadata(document: unknown, asked: string[]): typeof fetch {
  return async (input, init) => {
    const url = input as string;
    asked.push(`${init?.method ?? "GET"} ${url} ${JSON.stringify(init?.headers)}`);
    return url.endsWith("/token") ? new Response("the-token") : Response.json(document);
  };
}

const refused: typeof fetch = () => Promise.reject(new Error("connect ECONNREFUSED"));

test("the metadata service is not asked unless a template mentions what only it knows", async () => {
  const asked: string[] = [];
  const found = await resolvePlaceholders(hostWith("{hostname}-{date}"), {
    env: { WIRETAIL_HOSTNAME: "web-1", WIRETAIL_IP_ADDRESS: "192.0.2.9" },
    fetch: metadata({}, asked),
  });
  assert.deepEqual(asked, []);
  assert.equal(found.hostname, "web-1");
  assert.equal(found.ipAddress, "192.0.2.9");
});

test("instance, account and region come from the instance identity document, with a session token", async () => {
  const asked: string[] = [];
  const fetch = metadata({ instanceId: "i-0abc", region: "eu-central-1", accountId: "123456789012" }, asked);
  const found = await resolvePlaceholders(hostWith("{instance_id}/{account_id}"), { env: {}, fetch });
  assert.deepEqual([found.instanceId, found.awsRegion, found.accountId], ["i-0abc", "eu-central-1", "123456789012"]);
  assert.deepEqual(asked, [
    'PUT http://169.254.169.254/latest/api/token {"x-aws-ec2-metadata-token-ttl-seconds":"60"}',
    'GET http://169.254.169.254/latest/dynamic/instance-identity/document {"x-aws-ec2-metadata-token":"the-token"}',
  ]);
});

test("the environment wins over the metadata service", async () => {
  const asked: string[] = [];
  const env = { WIRETAIL_INSTANCE_ID: "i-env", AWS_DEFAULT_REGION: "us-east-1" };
  const found = await resolvePlaceholders(hostWith("{instance_id} {aws_region}"), { env, fetch: metadata({}, asked) });
  assert.deepEqual([found.instanceId, found.awsRegion, asked.length], ["i-env", "us-east-1", 0]);
});

test("without a metadata service the CloudWatch agent's words stand in, with a warning that says how to set them", async () => {
  const warnings: string[] = [];
  const found = await resolvePlaceholders(hostWith("{instance_id} {aws_region}"), {
    env: {},
    fetch: refused,
    warn: (message) => void warnings.push(message),
  });
  assert.deepEqual(
    [found.instanceId, found.awsRegion, found.accountId],
    ["i-UNKNOWN", "UNKNOWN-REGION", "UNKNOWN-ACCOUNT"],
  );
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0]!,
    /\{instance_id\} is i-UNKNOWN, \{aws_region\} is UNKNOWN-REGION; set WIRETAIL_INSTANCE_ID, AWS_REGION/,
  );
});

test("AWS_EC2_METADATA_DISABLED is honoured", async () => {
  const asked: string[] = [];
  const found = await resolvePlaceholders(hostWith("{instance_id}"), {
    env: { AWS_EC2_METADATA_DISABLED: "true" },
    fetch: metadata({}, asked),
  });
  assert.equal(found.instanceId, "i-UNKNOWN");
  assert.deepEqual(asked, []);
});
