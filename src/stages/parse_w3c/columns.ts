/** The fields of the usual columns (W3C working draft WD-logfile-960323, IIS), by their names in lower case. */
export const COLUMNS: ReadonlyMap<string, string> = new Map([
  ["s-ip", "destination.address"],
  ["s-port", "destination.port"],
  ["s-computername", "iis.access.server_name"],
  ["s-sitename", "iis.access.site_name"],
  ["c-ip", "source.address"],
  ["c-port", "source.port"],
  ["cs-method", "http.request.method"],
  ["cs-uri", "url.original"],
  ["cs-uri-stem", "url.path"],
  ["cs-uri-query", "url.query"],
  ["cs-username", "user.name"],
  ["cs-host", "url.domain"],
  ["cs(host)", "url.domain"],
  ["cs-version", "iis.access.protocol"],
  ["cs(user-agent)", "user_agent.original"],
  ["cs(referer)", "http.request.referrer"],
  ["cs(cookie)", "iis.access.cookie"],
  ["cs-bytes", "http.request.bytes"],
  ["sc-bytes", "http.response.bytes"],
  ["sc-status", "http.response.status_code"],
  ["sc-substatus", "iis.access.sub_status"],
  ["sc-win32-status", "iis.access.win32_status"],
  ["time-taken", "iis.access.time_taken_ms"],
]);

/** Fields whose values are whole numbers. */
export const INTEGERS: ReadonlySet<string> = new Set([
  ...["destination.port", "source.port", "http.request.bytes", "http.response.bytes", "http.response.status_code"],
  ...["iis.access.sub_status", "iis.access.win32_status", "iis.access.time_taken_ms"],
]);
