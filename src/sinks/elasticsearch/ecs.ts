/** ECS fields by their mapping type: those that our sources and stages write, and their usual neighbours. */
const FIELDS: readonly (readonly [type: string, names: string])[] = [
  [
    "keyword",
    "ecs.version tags log.level log.logger log.file.path log.syslog.appname log.syslog.procid log.syslog.msgid log.syslog.facility.name log.syslog.severity.name",
  ],
  ["long", "log.offset log.syslog.priority log.syslog.facility.code log.syslog.severity.code log.origin.file.line"],
  [
    "keyword",
    "event.id event.module event.dataset event.kind event.category event.type event.action event.outcome event.hash event.code event.provider event.reason event.timezone",
  ],
  ["date", "event.created event.ingested event.start event.end"],
  ["long", "event.duration event.sequence event.severity"],
  [
    "keyword",
    "host.name host.hostname host.id host.mac host.architecture host.os.name host.os.version host.os.family host.os.type",
  ],
  [
    "ip",
    "host.ip source.ip destination.ip client.ip server.ip observer.ip source.nat.ip destination.nat.ip related.ip dns.resolved_ip network.forwarded_ip",
  ],
  [
    "keyword",
    "agent.id agent.name agent.type agent.version agent.ephemeral_id service.name service.environment service.type service.version service.id",
  ],
  [
    "keyword",
    "cloud.provider cloud.account.id cloud.region cloud.availability_zone cloud.instance.id cloud.machine.type container.id container.name container.image.name",
  ],
  [
    "keyword",
    "source.address destination.address client.address server.address source.domain destination.domain client.domain server.domain source.mac destination.mac",
  ],
  [
    "long",
    "source.port destination.port client.port server.port source.bytes destination.bytes client.bytes server.bytes source.packets destination.packets client.packets server.packets",
  ],
  [
    "keyword",
    "network.type network.transport network.protocol network.application network.direction network.community_id network.iana_number network.name network.vlan.id",
  ],
  ["long", "network.bytes network.packets"],
  [
    "keyword",
    "http.version http.request.method http.request.id http.request.mime_type http.request.referrer http.response.mime_type",
  ],
  [
    "long",
    "http.request.bytes http.request.body.bytes http.response.bytes http.response.body.bytes http.response.status_code",
  ],
  ["wildcard", "url.full url.original url.path"],
  [
    "keyword",
    "url.scheme url.domain url.query url.fragment url.extension url.username user_agent.name user_agent.version user_agent.device.name",
  ],
  ["long", "url.port"],
  [
    "keyword",
    "user_agent.original user.id user.name user.domain user.email user.roles related.hosts related.user related.hash",
  ],
  [
    "keyword",
    "dns.id dns.type dns.op_code dns.response_code dns.question.name dns.question.type dns.question.class dns.header_flags",
  ],
  [
    "keyword",
    "tls.version tls.version_protocol tls.cipher tls.curve tls.next_protocol tls.client.server_name tls.client.ja3 tls.server.ja3s tls.server.subject tls.server.issuer",
  ],
  ["boolean", "tls.established tls.resumed"],
  [
    "keyword",
    "process.name process.executable process.command_line process.user.name file.path file.name error.type error.code error.id trace.id span.id transaction.id",
  ],
  ["long", "process.pid process.parent.pid process.thread.id file.size"],
  ["match_only_text", "error.message"],
  ["geo_point", "source.geo.location destination.geo.location client.geo.location server.geo.location"],
];

interface Mapping {
  [parameter: string]: unknown;
}

const TEXT_PARAMETERS: Readonly<Record<string, Mapping>> = {
  keyword: { ignore_above: 1024 },
  // A value that is none (`-`, `unknown`) costs the field, not the event.
  ip: { ignore_malformed: true },
  long: { ignore_malformed: true },
  date: { ignore_malformed: true },
  geo_point: { ignore_malformed: true },
};

/** The `properties` of a mapping with all these fields nested. */
export function ecsProperties(): Mapping {
  const properties: Mapping = {
    "@timestamp": { type: "date" },
    message: { type: "match_only_text" },
    labels: { type: "object", dynamic: true },
  };
  for (const [type, names] of FIELDS) for (const name of names.split(" ")) place(properties, name.split("."), type);
  place(properties, ["event", "original"], "keyword", { index: false, doc_values: false });
  place(properties, ["error", "stack_trace"], "wildcard");
  return properties;
}

function place(properties: Mapping, keys: readonly string[], type: string, parameters?: Mapping): void {
  let node = properties;
  for (const key of keys.slice(0, -1)) {
    const parent = (node[key] ??= { properties: {} }) as { properties: Mapping };
    node = parent.properties;
  }
  node[keys.at(-1)!] = { type, ...(parameters ?? TEXT_PARAMETERS[type]) };
}

/** For fields that are not listed: by their names, then all strings. */
export const DYNAMIC_TEMPLATES: readonly Readonly<Record<string, Mapping>>[] = [
  {
    wiretail_ip: {
      match_mapping_type: "string",
      path_match: ["ip", "*.ip", "*_ip"],
      mapping: { type: "ip", ignore_malformed: true },
    },
  },
  {
    wiretail_text: {
      match_mapping_type: "string",
      path_match: ["*.message", "*.description"],
      mapping: { type: "match_only_text" },
    },
  },
  {
    wiretail_original: {
      match_mapping_type: "string",
      path_match: ["*.original"],
      path_unmatch: ["url.original", "user_agent.original"],
      mapping: { type: "keyword", index: false, doc_values: false },
    },
  },
  { wiretail_strings: { match_mapping_type: "string", mapping: { type: "keyword", ignore_above: 1024 } } },
];
