import type { ProbeResult } from "../../core/component.ts";
import { errorMessage } from "../../core/error.ts";
import type { LogsApi } from "./api.ts";
import { classify, type Fault } from "./faults.ts";
import type { Destination } from "./provision.ts";

const FIFTEEN_DAYS_MS = 15 * 24 * 3_600_000;

/**
 * Credentials, the group, the stream, and the right to write. The last is tried with an event of 15 days ago, which the
 * service refuses and never keeps, but only to those who may write.
 */
export async function probe(
  api: LogsApi,
  destination: Destination,
  options: { readonly create: boolean; readonly nowMs: number },
  signal: AbortSignal,
): Promise<ProbeResult[]> {
  const { group, stream } = destination;
  try {
    const { accessKeyId, region } = await api.identity();
    const credentials = { check: "credentials", ok: true, detail: `access key ${maskKey(accessKeyId)} in ${region}` };
    const results = [credentials, await probeGroup(api, group, options.create, signal)];
    if (results[1]!.detail === EXISTS) results.push(await probeStream(api, destination, options.create, signal));
    results.push(await probeWriting(api, destination, options.nowMs, signal));
    return results;
  } catch (error) {
    const fault = classify(error, "sts:GetCallerIdentity");
    const hint = `log group ${group}, stream ${stream}: give the host a role, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile; and a region`;
    return [
      {
        check: "credentials",
        ok: false,
        detail: fault.kind === "unanswered" ? errorMessage(error) : fault.reason,
        hint,
      },
    ];
  }
}

const EXISTS = "exists";

async function probeGroup(api: LogsApi, group: string, create: boolean, signal: AbortSignal): Promise<ProbeResult> {
  const check = `log group ${group}`;
  try {
    if ((await api.describeLogGroup(group, signal)) !== undefined) return { check, ok: true, detail: EXISTS };
    return absent(check, create, "logs:CreateLogGroup");
  } catch (error) {
    return unseen(check, error, "logs:DescribeLogGroups");
  }
}

async function probeStream(
  api: LogsApi,
  { group, stream }: Destination,
  create: boolean,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const check = `log stream ${stream}`;
  try {
    if (await api.hasLogStream(group, stream, signal)) return { check, ok: true, detail: EXISTS };
    return absent(check, create, "logs:CreateLogStream");
  } catch (error) {
    return unseen(check, error, "logs:DescribeLogStreams");
  }
}

function absent(check: string, create: boolean, action: string): ProbeResult {
  if (create) return { check, ok: true, detail: `does not exist; the first event makes it (needs ${action})` };
  return {
    check,
    ok: false,
    detail: "does not exist, and create is false",
    hint: `Make it, or set create to true and grant ${action}.`,
  };
}

/** Looking is a right of its own that shipping does not need, so its lack is no failure. */
function unseen(check: string, error: unknown, action: string): ProbeResult {
  const fault = classify(error, action);
  if (fault.kind === "hold" && fault.reason.startsWith("AccessDenied")) {
    return { check, ok: true, detail: `not looked at: ${action} is not granted (only this check needs it)` };
  }
  return { check, ok: false, detail: fault.reason, hint: hintOf(fault) };
}

async function probeWriting(
  api: LogsApi,
  { group, stream }: Destination,
  nowMs: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const check = "write";
  const event = { timestamp: Math.max(0, Math.floor(nowMs) - FIFTEEN_DAYS_MS), message: "wiretail check" };
  const body = Buffer.from(JSON.stringify({ logGroupName: group, logStreamName: stream, logEvents: [event] }));
  try {
    await api.putLogEvents(body, signal);
    return { check, ok: true, detail: "may write (logs:PutLogEvents)" };
  } catch (error) {
    const fault = classify(error, "logs:PutLogEvents");
    // Permissions come first: who is told that something is missing may write to it.
    if (fault.kind === "missing") return { check, ok: true, detail: "may write (logs:PutLogEvents)" };
    return { check, ok: false, detail: fault.reason, hint: hintOf(fault) };
  }
}

function hintOf(fault: Fault): string {
  switch (fault.kind) {
    case "unanswered":
    case "retry":
      return "Check the region, the endpoint and the way to it (proxy, VPC endpoint, security group), then try again.";
    case "credentials":
      return "Mend the credentials; the detail says which fault it is.";
    default:
      return "Grant the IAM action that the detail names.";
  }
}

function maskKey(key: string): string {
  return key.length <= 8 ? "****" : `${key.slice(0, 4)}…${key.slice(-4)}`;
}
