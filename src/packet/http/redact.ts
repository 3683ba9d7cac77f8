import { headerOf, type HttpHead } from "./head.ts";

/** What stands for a credential. */
export const REDACTED = "REDACTED";

/** Parameters whose values let somebody in. */
const SECRET_PARAMETER =
  /^(?:x[-_]amz[-_])?(?:.*[-_.])?(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|jwt|api[-_]?key|apikey|access[-_]?key|auth|authorization|credentials?|sig|signature|session|sessionid|sid|otp|pin|code)$/i;

/** Headers that hold credentials, and how they are told to hold them. */
const SECRET_HEADERS: ReadonlySet<string> = new Set([
  ...["authorization", "proxy-authorization", "cookie", "set-cookie"],
  ...["x-api-key", "api-key", "x-auth-token", "x-access-token", "x-csrf-token", "x-xsrf-token", "x-amz-security-token"],
]);
/** Headers whose value is a URL. */
const URL_HEADERS: ReadonlySet<string> = new Set(["referer", "location", "content-location", "origin"]);

/** A header's values without credentials: schemes, names of cookies and their attributes stay. */
export function redactHeader(name: string, value: string): string {
  if (URL_HEADERS.has(name)) return redactUrl(value);
  if (!SECRET_HEADERS.has(name)) return value;
  if (name === "cookie") return value.split(";").map(redactPair).join("; ");
  if (name === "set-cookie") {
    const [pair = "", ...attributes] = value.split(";");
    return [redactPair(pair), ...attributes.map((each) => each.trim())].join("; ");
  }
  const scheme = /^([A-Za-z][A-Za-z0-9-]{0,30}) +\S/.exec(value)?.[1];
  return scheme === undefined ? REDACTED : `${scheme} ${REDACTED}`;
}

/** A URL or a request's target without its password, and without values of parameters that look like credentials. */
export function redactUrl(url: string): string {
  const withoutPassword = url.replace(/^([a-z][a-z0-9+.-]*:)?(\/\/)([^/?#@:]*):[^/?#@]*@/i, `$1$2$3:${REDACTED}@`);
  const question = withoutPassword.indexOf("?");
  const hash = withoutPassword.indexOf("#");
  const start = question >= 0 ? question : hash;
  if (start < 0) return withoutPassword;
  return withoutPassword.slice(0, start) + redactQuery(withoutPassword.slice(start));
}

/** From `?` or `#` on: OAuth puts tokens behind `#`, too. */
function redactQuery(query: string): string {
  return query.replace(/([?&#;])([^=&#;]+)=([^&#;]*)/g, (whole, before: string, name: string, value: string) => {
    if (value === "") return whole;
    return SECRET_PARAMETER.test(decoded(name)) ? `${before}${name}=${REDACTED}` : whole;
  });
}

/** The user's name of basic authentication (RFC 7617), which is no secret. */
export function basicUser(head: HttpHead): string | undefined {
  const value = headerOf(head, "authorization") ?? headerOf(head, "proxy-authorization");
  const encoded = value === undefined ? undefined : /^basic +([A-Za-z0-9+/=_-]{1,4096})$/i.exec(value)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString();
  const colon = text.indexOf(":");
  return colon > 0 ? text.slice(0, colon) : undefined;
}

function redactPair(pair: string): string {
  const equals = pair.indexOf("=");
  const name = (equals < 0 ? "" : pair.slice(0, equals)).trim();
  return name === "" ? REDACTED : `${name}=${REDACTED}`;
}

/** Percent-encoded names are the same names. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
