/** What is done with the text of a variable. */
export type NginxConversion =
  | "text"
  | "lower"
  | "integer"
  | "decimal"
  /** Fields: address, and ip where it is one. */
  | "address"
  /** Seconds with milliseconds → nanoseconds. */
  | "duration"
  /** Fields: method, URL, version, and the whole line where it is none. */
  | "request"
  /** `HTTP/1.1` → `1.1`. */
  | "http_version"
  /** Fields: domain, port. */
  | "host"
  /** `TLSv1.3`. Fields: version, protocol. */
  | "tls_version"
  /** `r` or `.`: whether a session was resumed. */
  | "resumed"
  /** One text or number for each upstream tried: `a, b : c`. A single one is no list. */
  | "texts"
  | "numbers"
  /** Matched, and thrown away. */
  | "nothing";

/** What characters the text can have: a `word` has no spaces, `free` text may. */
export type NginxShape = "word" | "free" | "integer" | "decimal" | "list";

export interface NginxField {
  readonly conversion: NginxConversion;
  readonly fields: readonly string[];
  readonly shape: NginxShape;
}

const field = (conversion: NginxConversion, shape: NginxShape, ...fields: string[]): NginxField => ({
  conversion,
  fields,
  shape,
});
const text = (name: string, shape: NginxShape = "free"): NginxField => field("text", shape, name);
const integer = (name: string): NginxField => field("integer", "integer", name);

/** Time variables, the most exact first: the first of them in a format gives the event's time. */
export const NGINX_TIMES: Readonly<Record<string, { readonly format: string; readonly shape: NginxShape }>> = {
  msec: { format: "epoch_s", shape: "decimal" },
  time_iso8601: { format: "iso8601", shape: "word" },
  time_local: { format: "%d/%b/%Y:%H:%M:%S %z", shape: "free" },
};

/** Variables of the http modules (and of both kinds) as ECS fields. */
const HTTP: Readonly<Record<string, NginxField>> = {
  remote_addr: field("address", "word", "source.address", "source.ip"),
  remote_port: integer("source.port"),
  remote_user: text("user.name"),
  server_addr: field("address", "word", "destination.address", "destination.ip"),
  server_port: integer("destination.port"),
  server_name: text("destination.domain", "word"),
  request: field("request", "free", "http.request.method", "url.original", "http.version", "nginx.request"),
  request_method: text("http.request.method", "word"),
  request_uri: text("url.original"),
  uri: text("url.path"),
  document_uri: text("url.path"),
  args: text("url.query"),
  query_string: text("url.query"),
  is_args: field("nothing", "word"),
  scheme: text("url.scheme", "word"),
  host: text("url.domain", "word"),
  http_host: field("host", "word", "url.domain", "url.port"),
  server_protocol: field("http_version", "word", "http.version"),
  status: integer("http.response.status_code"),
  body_bytes_sent: integer("http.response.body.bytes"),
  bytes_sent: integer("http.response.bytes"),
  request_length: integer("http.request.bytes"),
  content_length: integer("http.request.body.bytes"),
  content_type: text("http.request.mime_type"),
  http_content_type: text("http.request.mime_type"),
  sent_http_content_type: text("http.response.mime_type"),
  http_referer: text("http.request.referrer"),
  http_user_agent: text("user_agent.original"),
  request_id: text("http.request.id", "word"),
  request_time: field("duration", "decimal", "event.duration"),
  hostname: text("host.name", "word"),
  pid: integer("process.pid"),
  connection: integer("nginx.connection"),
  connection_requests: integer("nginx.connection_requests"),
  connection_time: field("decimal", "decimal", "nginx.connection_time"),
  gzip_ratio: field("decimal", "decimal", "nginx.gzip_ratio"),
  pipe: text("nginx.pipe", "word"),
  ssl_protocol: field("tls_version", "word", "tls.version", "tls.version_protocol"),
  ssl_cipher: text("tls.cipher", "word"),
  ssl_server_name: text("tls.client.server_name", "word"),
  ssl_session_reused: field("resumed", "word", "tls.resumed"),
  ssl_curve: text("tls.curve", "word"),
  ssl_alpn_protocol: text("tls.next_protocol", "word"),
  ssl_client_s_dn: text("tls.client.subject"),
  ssl_client_i_dn: text("tls.client.issuer"),
  ssl_client_fingerprint: text("tls.client.hash.sha1", "word"),
  ssl_preread_server_name: text("tls.client.server_name", "word"),
  ssl_preread_protocol: field("tls_version", "word", "tls.version", "tls.version_protocol"),
  geoip_country_code: text("source.geo.country_iso_code", "word"),
  geoip_city: text("source.geo.city_name"),
  upstream_addr: field("texts", "list", "nginx.upstream.address"),
  upstream_cache_status: text("nginx.upstream.cache_status", "word"),
};

/** Where the stream modules mean something else by a name, or have names of their own. */
const STREAM: Readonly<Record<string, NginxField>> = {
  protocol: field("lower", "word", "network.transport"),
  status: integer("nginx.status"),
  bytes_received: integer("source.bytes"),
  bytes_sent: integer("destination.bytes"),
  session_time: field("duration", "decimal", "event.duration"),
};

/** Variables that only the stream modules have: a format with one of them is a stream format. */
const STREAM_ONLY =
  /^(?:protocol|session_time|bytes_received|ssl_preread_\w+|upstream_bytes_\w+|upstream_session_time|upstream_first_byte_time)$/;

export function isStreamFormat(variables: readonly string[]): boolean {
  return variables.some((name) => STREAM_ONLY.test(name));
}

/**
 * The fields of a variable. Of the upstream modules' numbers (times in seconds, bytes, statuses) there is one for each
 * server that was tried. What has no ECS name becomes `nginx.<variable>`.
 */
export function nginxField(name: string, isStream: boolean): NginxField {
  const known = (isStream ? lookUp(STREAM, name) : undefined) ?? lookUp(HTTP, name);
  if (known !== undefined) return known;
  const upstream = /^upstream_(\w+)$/.exec(name)?.[1];
  if (upstream === undefined) return text(`nginx.${name}`);
  const isNumber = /^(?:status|bytes_(?:sent|received)|response_length|\w+_time)$/.test(upstream);
  return isNumber ? field("numbers", "list", `nginx.upstream.${upstream}`) : text(`nginx.upstream.${upstream}`);
}

/** A table's own entry: names come from users, so `constructor` must not find anything. */
export function lookUp<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
