import type { Placeholders } from "../core/component.ts";
import { WiretailError } from "../core/error.ts";

/**
 * Text with placeholders, as in index names, log groups and log streams: `{hostname}`, `{instance_id}`,
 * `{ip_address}`, `{aws_region}`, `{account_id}`, and `{date}` (the event's UTC day, YYYY-MM-DD), `{date:%Y.%m.%d}`
 * with the directives %Y %m %d %H. `{{` is a brace.
 */
export interface Template {
  /** The text, when it does not depend on the event's time. */
  readonly constant: string | undefined;
  /** The text for an event at `timeMs` (milliseconds since the epoch). Consecutive calls in one hour are cheap. */
  at(timeMs: number): string;
}

type Part = string | { readonly date: string };
const HOUR_MS = 3_600_000;
const NAMES = ["hostname", "local_hostname", "instance_id", "ip_address", "aws_region", "account_id", "date"];

/** Throws WT_FORMAT_INVALID for unknown placeholders and unclosed braces. */
export function compileTemplate(text: string, placeholders: Placeholders): Template {
  const parts = parse(text).map((part): Part =>
    typeof part === "string" ? part : resolve(part.name, part.format, placeholders),
  );
  if (parts.every((part) => typeof part === "string")) {
    const constant = parts.join("");
    return { constant, at: () => constant };
  }
  let hour = NaN;
  let filled = "";
  return {
    constant: undefined,
    at(timeMs) {
      const now = Math.floor(timeMs / HOUR_MS);
      if (now !== hour) {
        hour = now;
        const iso = new Date(now * HOUR_MS).toISOString();
        filled = parts.map((part) => (typeof part === "string" ? part : formatDate(part.date, iso))).join("");
      }
      return filled;
    },
  };
}

/** What is wrong with a template, or undefined: for `validate`. */
export function templateFault(text: string): string | undefined {
  try {
    parse(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function parse(text: string): (string | { name: string; format: string })[] {
  const parts: (string | { name: string; format: string })[] = [];
  const pattern = /\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g;
  for (const match of text.matchAll(pattern)) {
    const [token, inner] = match;
    if (token === "{{" || token === "}}") parts.push(token[0]!);
    else if (inner !== undefined) {
      const [name = "", ...format] = inner.split(":");
      const known = NAMES.includes(name);
      const directives = format.join(":").match(/%./g) ?? [];
      const bad = directives.find((directive) => !["%Y", "%m", "%d", "%H"].includes(directive));
      if (!known) throw invalid(`unknown placeholder "{${inner}}"; known are ${NAMES.map((n) => `{${n}}`).join(" ")}`);
      if (format.length > 0 && name !== "date") throw invalid(`{${name}} takes no format`);
      if (bad !== undefined) throw invalid(`{date} knows %Y %m %d %H, not ${bad}`);
      parts.push({ name, format: format.join(":") });
    } else if (token === "{" || token === "}")
      throw invalid(`"${token}" at position ${match.index} has no partner; write "${token}${token}" for a brace`);
    else parts.push(token);
  }
  return parts;
}

function invalid(message: string): WiretailError {
  return new WiretailError("WT_FORMAT_INVALID", message);
}

function resolve(name: string, format: string, placeholders: Placeholders): Part {
  switch (name) {
    case "instance_id":
      return placeholders.instanceId;
    case "ip_address":
      return placeholders.ipAddress;
    case "aws_region":
      return placeholders.awsRegion;
    case "account_id":
      return placeholders.accountId;
    case "date":
      return { date: format === "" ? "%Y-%m-%d" : format };
    default:
      return placeholders.hostname;
  }
}

function formatDate(format: string, iso: string): string {
  return format.replace(/%[YmdH]/g, (directive) =>
    directive === "%Y"
      ? iso.slice(0, 4)
      : directive === "%m"
        ? iso.slice(5, 7)
        : directive === "%d"
          ? iso.slice(8, 10)
          : iso.slice(11, 13),
  );
}
