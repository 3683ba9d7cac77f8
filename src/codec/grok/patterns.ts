/** Alternatives in the order in which a longer one comes before its beginning. */
const either = (...sources: readonly string[]): string => `(?:${sources.join("|")})`;

// Not {1,4}: repeats of counted repeats soon are too large for the linear-time engine.
const HEX4 = "[0-9A-Fa-f][0-9A-Fa-f]?[0-9A-Fa-f]?[0-9A-Fa-f]?";
const groups = (count: number | string): string => `(?:${HEX4}:){${count}}`;
const OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const DOTTED = `${OCTET}(?:\\.${OCTET}){3}`;
const quotedBy = (quote: string): string => `${quote}[^${quote}\\\\]*(?:\\\\.[^${quote}\\\\]*)*${quote}`;

/**
 * The patterns that every grok has, by the names that Logstash gave them, written so that they need no look-around and
 * no back-reference: V8's linear-time engine can run them all. Where Logstash's have fields, these have ECS fields.
 */
export const GROK_PATTERNS: Readonly<Record<string, string>> = {
  // Words and numbers.
  USERNAME: "[a-zA-Z0-9._-]+",
  USER: "%{USERNAME}",
  EMAILLOCALPART: "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+",
  EMAILADDRESS: "%{EMAILLOCALPART}@%{HOSTNAME}",
  INT: "[+-]?[0-9]+",
  BASE10NUM: "[+-]?(?:[0-9]+(?:\\.[0-9]+)?|\\.[0-9]+)",
  NUMBER: "%{BASE10NUM}",
  BASE16NUM: "[+-]?(?:0x|)[0-9A-Fa-f]+",
  BASE16FLOAT: "[+-]?(?:0x|)(?:[0-9A-Fa-f]+(?:\\.[0-9A-Fa-f]*)?|\\.[0-9A-Fa-f]+)",
  POSINT: "[1-9][0-9]*",
  NONNEGINT: "[0-9]+",
  WORD: "\\w+",
  NOTSPACE: "\\S+",
  SPACE: "\\s*",
  DATA: ".*?",
  GREEDYDATA: ".*",
  QUOTEDSTRING: either(quotedBy('"'), quotedBy("'"), quotedBy("`")),
  QS: "%{QUOTEDSTRING}",
  UUID: "[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}",
  URN: "urn:[0-9A-Za-z][0-9A-Za-z-]*:(?:%[0-9a-fA-F]{2}|[0-9A-Za-z()+,.:=@;$_!*'/?#-])+",

  // Networks.
  MAC: "(?:%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC})",
  CISCOMAC: "(?:[A-Fa-f0-9]{4}\\.){2}[A-Fa-f0-9]{4}",
  WINDOWSMAC: "(?:[A-Fa-f0-9]{2}-){5}[A-Fa-f0-9]{2}",
  COMMONMAC: "(?:[A-Fa-f0-9]{2}:){5}[A-Fa-f0-9]{2}",
  IPV6:
    either(
      `${groups(6)}${DOTTED}`,
      `${groups("1,5")}:(?:${HEX4}:){0,4}${DOTTED}`,
      `::(?:${HEX4}:){0,5}${DOTTED}`,
      `${groups(7)}${HEX4}`,
      ...[1, 2, 3, 4, 5, 6].map((count) => `${groups(count)}(?::${HEX4}){1,${7 - count}}`),
      `${groups("1,7")}:`,
      `:(?::${HEX4}){1,7}`,
      "::",
    ) + "(?:%[0-9A-Za-z._-]+)?",
  IPV4: DOTTED,
  IP: "(?:%{IPV6}|%{IPV4})",
  HOSTNAME: "[0-9A-Za-z][0-9A-Za-z_-]*(?:\\.[0-9A-Za-z][0-9A-Za-z_-]*)*\\.?",
  IPORHOST: "(?:%{IP}|%{HOSTNAME})",
  HOSTPORT: "%{IPORHOST}:%{POSINT}",

  // Paths and addresses.
  PATH: "(?:%{UNIXPATH}|%{WINPATH})",
  UNIXPATH: "(?:/[\\w%!$@:.,+~-]*)+",
  TTY: "/dev/(?:pts|tty[pq]?)\\w*/?[0-9]+",
  WINPATH: "(?:[A-Za-z]+:|\\\\)(?:\\\\[^\\\\?*]*)+",
  URIPROTO: "[A-Za-z][A-Za-z0-9+.-]+",
  URIHOST: "%{IPORHOST}(?::%{POSINT})?",
  URIPATH: "(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_-]*)+",
  URIQUERY: "[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\\-\\[\\]<>]*",
  URIPARAM: "\\?%{URIQUERY}",
  URIPATHPARAM: "%{URIPATH}(?:%{URIPARAM})?",
  URI: "%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",

  // Times. `(?:uary|)` and not `(?:uary)?`: the machine of codec/kernel has no repeats of several characters.
  MONTH: either(
    ..."[Jj]an(?:uary|) [Ff]eb(?:ruary|) [Mm]ar(?:ch|) [Aa]pr(?:il|) [Mm]ay [Jj]une? [Jj]uly?".split(" "),
    ..."[Aa]ug(?:ust|) [Ss]ep(?:tember|) [Oo]ct(?:ober|) [Nn]ov(?:ember|) [Dd]ec(?:ember|)".split(" "),
  ),
  MONTHNUM: "(?:1[0-2]|0?[1-9])",
  MONTHNUM2: "(?:0[1-9]|1[0-2])",
  MONTHDAY: "(?:0[1-9]|[12][0-9]|3[01]|[1-9])",
  DAY: "(?:Mon(?:day|)|Tue(?:sday|)|Wed(?:nesday|)|Thu(?:rsday|)|Fri(?:day|)|Sat(?:urday|)|Sun(?:day|))",
  YEAR: "[0-9]{2}(?:[0-9]{2})?",
  HOUR: "(?:2[0-3]|[01]?[0-9])",
  MINUTE: "[0-5][0-9]",
  SECOND: "(?:60|[0-5]?[0-9])(?:[:.,][0-9]+)?",
  TIME: "%{HOUR}:%{MINUTE}:%{SECOND}",
  DATE_US: "%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}",
  DATE_EU: "%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}",
  ISO8601_TIMEZONE: "(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))",
  ISO8601_SECOND: "%{SECOND}",
  TIMESTAMP_ISO8601: "%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?(?:%{ISO8601_TIMEZONE})?",
  DATE: "(?:%{DATE_US}|%{DATE_EU})",
  DATESTAMP: "%{DATE}[- ]%{TIME}",
  TZ: "(?:[APMCE][SD]T|UTC)",
  DATESTAMP_RFC822: "%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}",
  DATESTAMP_RFC2822: "%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}",
  DATESTAMP_OTHER: "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}",
  DATESTAMP_EVENTLOG: "%{YEAR}%{MONTHNUM2}%{MONTHDAY}%{HOUR}%{MINUTE}%{SECOND}",
  SYSLOGTIMESTAMP: "%{MONTH} +%{MONTHDAY} %{TIME}",
  HTTPDATE: "%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}",
  HTTPDERROR_DATE: "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{YEAR}",

  // Programs.
  PROG: "[\\x21-\\x5a\\x5c\\x5e-\\x7e]+",
  SYSLOGPROG: "%{PROG:process.name}(?:\\[%{POSINT:process.pid:int}\\])?",
  SYSLOGHOST: "%{IPORHOST}",
  SYSLOGFACILITY: "<%{NONNEGINT:log.syslog.facility.code:int}.%{NONNEGINT:log.syslog.priority:int}>",
  SYSLOGBASE: "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:host.hostname} %{SYSLOGPROG}:",
  LOGLEVEL: either(
    ...["[Aa]lert|ALERT|[Tt]race|TRACE|[Dd]ebug|DEBUG|[Nn]otice|NOTICE|[Ii]nfo(?:rmation|)|INFO(?:RMATION|)"],
    ...["[Ww]arn(?:ing|)|WARN(?:ING|)|[Ee]rr(?:or|)|ERR(?:OR|)|[Cc]rit(?:ical|)|CRIT(?:ICAL|)|[Ff]atal|FATAL"],
    ...["[Ss]evere|SEVERE|[Ee]merg(?:ency|)|EMERG(?:ENCY|)"],
  ),
  JAVACLASS: "(?:[a-zA-Z$_][a-zA-Z$_0-9]*\\.)*[a-zA-Z$_][a-zA-Z$_0-9]*",
  JAVAFILE: "[A-Za-z0-9_. -]+",
  JAVAMETHOD: "(?:<init>|<clinit>|[a-zA-Z$_][a-zA-Z$_0-9]*)",
  HTTPDUSER: "(?:%{EMAILADDRESS}|%{USER})",
  HTTPD_COMMONLOG: [
    '%{IPORHOST:source.address} (?:-|%{HTTPDUSER:apache.access.user.identity}) (?:-|%{HTTPDUSER:user.name}) \\[%{HTTPDATE:timestamp}\\] "',
    "(?:%{WORD:http.request.method} %{NOTSPACE:url.original}(?: HTTP/%{NUMBER:http.version})?|%{DATA})",
    '" (?:-|%{INT:http.response.status_code:int}) (?:-|%{INT:http.response.body.bytes:int})',
  ].join(""),
  HTTPD_COMBINEDLOG: '%{HTTPD_COMMONLOG} "(?:-|%{DATA:http.request.referrer})" "(?:-|%{DATA:user_agent.original})"',
  COMMONAPACHELOG: "%{HTTPD_COMMONLOG}",
  COMBINEDAPACHELOG: "%{HTTPD_COMBINEDLOG}",
};
