/** Keywords of facilities by code: RFC 5424 section 6.2.1, names as in RFC 5427. */
const FACILITIES = [
  ...["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"],
  ...["ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
] as const;

/** Severities by code. */
const SEVERITIES = [
  ...["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"],
] as const;

interface CodeAndName {
  readonly code: number;
  readonly name: string;
}

/** What a priority (0 to 191) says: facility * 8 + severity. */
export interface SyslogPriority {
  readonly facility: CodeAndName;
  readonly severity: CodeAndName;
}

/** By priority; shared by all events. */
export const SYSLOG_PRIORITIES: readonly SyslogPriority[] = Array.from({ length: 192 }, (_, priority) => {
  const [facility, severity] = [priority >> 3, priority & 7];
  return Object.freeze({
    facility: Object.freeze({ code: facility, name: FACILITIES[facility]! }),
    severity: Object.freeze({ code: severity, name: SEVERITIES[severity]! }),
  });
});
