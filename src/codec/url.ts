import { isIp } from "./ip.ts";

/** The parts of a URL, as they stand in it: nothing is decoded or put right. Undefined for what it lacks. */
export interface UrlParts {
  readonly scheme: string | undefined;
  readonly username: string | undefined;
  /** Host name or address; IPv6 without its brackets. */
  readonly domain: string | undefined;
  readonly port: number | undefined;
  readonly path: string | undefined;
  /** The part of the last segment of the path behind its last dot. */
  readonly extension: string | undefined;
  readonly query: string | undefined;
  readonly fragment: string | undefined;
}

/** RFC 3986, appendix B, with a scheme as section 3.1 has it. */
const PARTS = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;
const AUTHORITY = /^(?:([^@]*)@)?(\[[0-9A-Fa-f:.]+(?:%[^\]]*)?\]|[^:@[\]]*)(?::(\d{0,5}))?$/;

/**
 * Takes a URL, or a reference such as `/path?query`, apart (RFC 3986). Returns why it is none: white space and control
 * characters, or something behind `//` that is no host.
 */
export function parseUrlParts(text: string): UrlParts | string {
  const blank = /[\u0000- \u007f]/.exec(text);
  if (text === "") return "is empty";
  if (blank !== null) return `has white space or a control character at character ${blank.index + 1}`;
  const [, schemeOrHost, authority, rest = "", query, fragment] = PARTS.exec(text)!;
  let [scheme, path] = [schemeOrHost, rest];
  let host = authority;
  // What CONNECT asks for: example.org:443.
  if (scheme !== undefined && host === undefined && /^\d{1,5}$/.test(path)) {
    host = `${scheme}:${path}`;
    [scheme, path] = [undefined, ""];
  }
  const parsed = host === undefined ? [] : AUTHORITY.exec(host);
  const port = parsed?.[3] === undefined || parsed[3] === "" ? undefined : Number(parsed[3]);
  if (parsed === null || (port !== undefined && port > 65_535))
    return `has no host behind //: ${JSON.stringify(host!.slice(0, 60))}`;
  const domain = parsed[2]?.startsWith("[") === true ? parsed[2].slice(1, -1) : parsed[2];
  if (parsed[2]?.startsWith("[") === true && !isIp(domain!.replace(/%.*$/, "")))
    return `has no host behind //: ${JSON.stringify(host!.slice(0, 60))}`;
  return {
    scheme: scheme?.toLowerCase(),
    username: present(parsed[1]?.split(":", 1)[0]),
    domain: present(domain),
    port,
    path: present(path),
    extension: /\.([^./]+)$/.exec(path.slice(path.lastIndexOf("/") + 2))?.[1],
    query: present(query),
    fragment: present(fragment),
  };
}

function present(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
