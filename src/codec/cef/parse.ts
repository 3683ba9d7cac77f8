/** A message in ArcSight's Common Event Format, escapes undone. */
export interface CefMessage {
  readonly version: string;
  readonly vendor: string;
  readonly product: string;
  readonly productVersion: string;
  /** Device event class id: what kind of event it is. */
  readonly eventClassId: string;
  readonly name: string;
  readonly severity: string;
  /** Keys and values in the order of the text. */
  readonly extensions: readonly (readonly [key: string, value: string])[];
}

const HEADER_PARTS = 7;
const KEY = /(?:^|[ \t])([A-Za-z0-9_.[\]]+)=/g;

/**
 * Parses `CEF:0|vendor|product|version|class|name|severity|key=value …` (Implementing ArcSight Common Event Format,
 * version 25), wherever in the text it begins: in front of it mostly stands a syslog header. In the header a backslash
 * escapes `|` and `\`; in values `=`, `\`, and it makes line breaks of `\n` and `\r`. A value reaches to the next word
 * with an unescaped `=` behind it. Returns why it is none.
 */
export function parseCefMessage(text: string): CefMessage | string {
  const start = text.indexOf("CEF:");
  if (start < 0) return 'is not CEF: there is no "CEF:" in it';
  const parts: string[] = [];
  let at = start + 4;
  while (parts.length < HEADER_PARTS) {
    let end = at;
    while (end < text.length && text[end] !== "|") end += text[end] === "\\" ? 2 : 1;
    end = Math.min(end, text.length);
    const isLast = parts.length === HEADER_PARTS - 1;
    // Some programs leave the last bar out where there are no extensions.
    if (end === text.length && !isLast)
      return `is not CEF: its header has ${parts.length + 1} of ${HEADER_PARTS} parts`;
    parts.push(
      text
        .slice(at, end)
        .replace(/\\([^])/g, "$1")
        .trim(),
    );
    at = end + 1;
  }
  const [version, vendor, product, productVersion, eventClassId, name, severity] = parts as [
    ...[string, string, string, string, string, string, string],
  ];
  if (!/^\d+(?:\.\d+)?$/.test(version)) return "is not CEF: it begins without a version";
  const extensions = parseExtensions(text.slice(at).trim());
  return { version, vendor, product, productVersion, eventClassId, name, severity, extensions };
}

function parseExtensions(text: string): (readonly [string, string])[] {
  const found: [string, string][] = [];
  const keys = [...text.matchAll(KEY)];
  keys.forEach((match, i) => {
    const from = match.index + match[0].length;
    const value = text.slice(from, keys[i + 1]?.index ?? text.length).trimEnd();
    found.push([match[1]!, unescape(value)]);
  });
  return found;
}

function unescape(value: string): string {
  if (!value.includes("\\")) return value;
  return value.replace(/\\([^])/g, (whole, char: string) =>
    char === "n" ? "\n" : char === "r" ? "\r" : char === "=" || char === "\\" || char === "|" ? char : whole,
  );
}
