import { WiretailError } from "../../core/error.ts";
import { lookUp } from "./variables.ts";

/** How nginx writes bytes of values that would confuse a reader: the `escape=` of a `log_format`. */
export type NginxEscape = "default" | "json" | "none";

export interface NginxDefinition {
  readonly escape: NginxEscape;
  /** Constant text and variables in turn; no two constants stand side by side. */
  readonly pieces: readonly (string | NginxVariable)[];
  /** The format with quotes and pieces joined: what positions in messages count in, from 1. */
  readonly text: string;
}
export interface NginxVariable {
  readonly variable: string;
  readonly position: number;
}

/** Formats known by name: nginx's own `combined`, `main` of its packaged nginx.conf, and `stream` of its stream log module's page. */
export const NGINX_FORMATS: Readonly<Record<string, string>> = {
  combined:
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"',
  main: '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for"',
  stream: "$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time",
};

/**
 * Reads a log format in any of the forms people have at hand: a known name, the bare format, the quoted pieces of a
 * directive, or the whole directive with its name and `escape=` as it stands in nginx.conf (comments included).
 * Throws WT_FORMAT_INVALID.
 *
 * https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format
 */
export function parseNginxDefinition(format: string, escape?: NginxEscape): NginxDefinition {
  const known = lookUp(NGINX_FORMATS, format.trim());
  if (known !== undefined) return { escape: escape ?? "default", pieces: split(known), text: known };
  const source = format.trim();
  if (/^log_format\s/.test(source) || /^(?:escape=\w+\s+)?'/.test(source)) {
    const directive = readDirective(source);
    return { escape: escape ?? directive.escape, pieces: split(directive.text), text: directive.text };
  }
  return { escape: escape ?? "default", pieces: split(format), text: format };
}

function readDirective(source: string): { escape: NginxEscape; text: string } {
  let escape: NginxEscape = "default";
  let text = "";
  const token = /\s+|#[^\n]*|;|"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'|[^\s;'"]+/y;
  let isNameNext = false;
  let pieces = 0;
  while (token.lastIndex < source.length) {
    const at = token.lastIndex;
    const match = token.exec(source);
    if (match === null) throw invalid(source, `a quote at position ${at + 1} is not closed`);
    const [whole] = match;
    if (/^[\s#]/.test(whole)) continue;
    if (whole === ";") {
      if (source.slice(token.lastIndex).trim() !== "")
        throw invalid(source, `only one log_format is expected, but more follows position ${at + 1}`);
      break;
    }
    const quoted = match[1] ?? match[2];
    if (isNameNext) isNameNext = false;
    else if (quoted !== undefined) {
      text += unquote(quoted);
      pieces++;
    } else if (whole === "log_format" && at === 0) isNameNext = true;
    else if (whole.startsWith("escape=") && pieces === 0) escape = readEscape(source, whole.slice(7), at);
    else {
      text += whole;
      pieces++;
    }
  }
  if (text === "") throw invalid(source, "the directive has no format");
  return { escape, text };
}

function readEscape(source: string, name: string, at: number): NginxEscape {
  if (name === "default" || name === "json" || name === "none") return name;
  throw invalid(source, `escape=${name} at position ${at + 1} is none of default, json, none`);
}

const QUOTED: Readonly<Record<string, string>> = { t: "\t", r: "\r", n: "\n" };
/** ngx_conf_file.c: a backslash goes before quotes, itself, t, r and n, and stays before anything else. */
function unquote(text: string): string {
  return text.replace(/\\(["'\\trn])/g, (_, char: string) => QUOTED[char] ?? char);
}

function split(text: string): (string | NginxVariable)[] {
  const pieces: (string | NginxVariable)[] = [];
  const token = /\$(?:\{(\w+)\}|(\w+))|\$|[^$]+/g;
  for (const match of text.matchAll(token)) {
    const variable = match[1] ?? match[2];
    if (variable !== undefined) pieces.push({ variable, position: match.index + 1 });
    else if (match[0] === "$")
      throw invalid(text, `"$" at position ${match.index + 1} is not followed by a variable's name`);
    else pieces.push(match[0]);
  }
  if (!pieces.some((piece) => typeof piece !== "string")) throw invalid(text, "the format has no variable");
  return pieces;
}

export function invalid(format: string, message: string): WiretailError {
  const shown = format.length > 80 ? format.slice(0, 80) + "…" : format;
  return new WiretailError("WT_FORMAT_INVALID", `nginx log format ${JSON.stringify(shown)}: ${message}`);
}
