import { headerOf, type HttpHead } from "./head.ts";
import { basicUser, redactHeader, redactUrl } from "./redact.ts";

export interface HttpFieldOptions {
  /** Headers to be told, in lower case. */
  readonly headers: readonly string[];
  /** Whether credentials are told as they are. */
  readonly showCredentials: boolean;
}

/** What the option of outputs means that shows credentials. */
export const SHOW_CREDENTIALS =
  "Tell passwords, tokens and cookies in HTTP headers and URLs as they are, instead of REDACTED. Whoever may read the events can then log in with them.";

export const DEFAULT_HTTP_FIELDS: HttpFieldOptions = {
  headers: [
    ...["host", "content-type", "content-encoding", "location", "x-forwarded-for", "x-request-id", "server"],
    ...["authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate"],
  ],
  showCredentials: false,
};

/** What ECS has of a request, under `http`, `url`, `user_agent` and `user`. */
export interface RequestFields {
  readonly version: string;
  readonly request: {
    readonly method: string;
    readonly referrer: string | undefined;
    readonly mime_type: string | undefined;
    readonly headers: Readonly<Record<string, string>> | undefined;
  };
  readonly url: UrlFields;
  readonly userAgent: string | undefined;
  readonly userName: string | undefined;
}

export interface UrlFields {
  readonly original: string;
  readonly full: string | undefined;
  readonly scheme: string | undefined;
  readonly domain: string | undefined;
  readonly port: number | undefined;
  readonly path: string | undefined;
  readonly query: string | undefined;
  readonly extension: string | undefined;
}

export interface ResponseFields {
  readonly status_code: number;
  readonly status_phrase: string | undefined;
  readonly mime_type: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/** The fields of a request. `port`: that of the server, which is named unless it is HTTP's own. */
export function requestFields(head: HttpHead, port: number, options: HttpFieldOptions): RequestFields {
  const referrer = headerOf(head, "referer");
  return {
    version: head.version,
    request: {
      method: head.method ?? "",
      referrer: referrer === undefined || options.showCredentials ? referrer : redactUrl(referrer),
      mime_type: mimeType(head),
      headers: headersOf(head, options),
    },
    url: urlOf(head, port, options),
    userAgent: headerOf(head, "user-agent"),
    userName: basicUser(head),
  };
}

export function responseFields(head: HttpHead, options: HttpFieldOptions): ResponseFields {
  return {
    status_code: head.statusCode,
    status_phrase: head.reason === "" ? undefined : head.reason,
    mime_type: mimeType(head),
    headers: headersOf(head, options),
  };
}

/**
 * RFC 9112 section 3.2: a target is a path with a query (`/a?b`), a whole URL (to a proxy), a host and port (CONNECT), or
 * `*` (OPTIONS).
 */
function urlOf(head: HttpHead, port: number, options: HttpFieldOptions): UrlFields {
  const target = options.showCredentials ? head.target : redactUrl(head.target);
  const none = { full: undefined, scheme: undefined, domain: undefined, port: undefined };
  const noPath = { path: undefined, query: undefined, extension: undefined };
  if (head.method === "CONNECT") {
    const host = hostOf(target);
    return { original: target, ...none, ...noPath, domain: host.name, port: host.port };
  }
  const absolute = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/i.exec(target);
  const scheme = absolute?.[1]?.toLowerCase() ?? "http";
  const authority = absolute?.[2] ?? headerOf(head, "host") ?? "";
  const host = hostOf(authority.slice(authority.lastIndexOf("@") + 1));
  const rest = absolute?.[3] ?? target;
  const usedPort = host.port ?? (absolute === null ? port : undefined);
  if (rest === "*") return { original: target, ...none, ...noPath, domain: host.name, port: usedPort };
  const [beforeHash] = rest.split("#", 1) as [string];
  const question = beforeHash.indexOf("?");
  const path = question < 0 ? beforeHash : beforeHash.slice(0, question);
  const written = usedPort === undefined || usedPort === 80 ? "" : `:${usedPort}`;
  // Where the target is a whole URL, that is said as it is.
  const full = absolute !== null ? target : host.text === "" ? undefined : `${scheme}://${host.text}${written}${rest}`;
  return {
    original: target,
    full,
    scheme,
    domain: host.name,
    port: usedPort,
    path,
    query: question < 0 ? undefined : beforeHash.slice(question + 1),
    extension: /\/[^/]*\.([A-Za-z0-9]{1,16})$/.exec(path)?.[1],
  };
}

/** `name:port`, `[address]:port`; ECS has IPv6 addresses as domains without brackets. */
function hostOf(text: string): { text: string; name: string | undefined; port: number | undefined } {
  const match = /^(\[[0-9A-Fa-f:.%]+\]|[^:]*)(?::(\d{1,5}))?$/.exec(text.trim());
  if (match === null) return { text: text.trim(), name: undefined, port: undefined };
  const name = match[1]!;
  const port = match[2] === undefined ? undefined : Number(match[2]);
  const bare = name.startsWith("[") ? name.slice(1, -1) : name;
  return {
    text: name,
    name: bare === "" ? undefined : bare,
    port: port !== undefined && port > 65_535 ? undefined : port,
  };
}

function mimeType(head: HttpHead): string | undefined {
  const type = head.headers.get("content-type")?.[0]?.split(";", 1)[0]?.trim().toLowerCase();
  return type === "" ? undefined : type;
}

function headersOf(head: HttpHead, options: HttpFieldOptions): Record<string, string> | undefined {
  let found: Record<string, string> | undefined;
  for (const name of options.headers) {
    const values = head.headers.get(name);
    if (values === undefined) continue;
    const shown = options.showCredentials ? values : values.map((value) => redactHeader(name, value));
    (found ??= {})[name] = shown.join(", ");
  }
  return found;
}
