/** The number that only digits make, or NaN. */
export function toInteger(text: string): number {
  const length = text.length;
  if (length === 0 || length > 15) return NaN;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** The number that digits and perhaps a point make, or NaN. */
export function toDecimal(text: string): number {
  const code = text.charCodeAt(0);
  return code >= 48 && code <= 57 ? Number(text) : NaN;
}

/**
 * Undoes nginx's default escaping: `\xHH` for quotes, backslashes, control and non-ASCII bytes. Bytes that are UTF-8
 * become their characters; others become U+FFFD.
 */
export function unescapeHex(text: string): string {
  if (!text.includes("\\x")) return text;
  return text.replace(/(?:\\x[0-9A-Fa-f]{2})+/g, (run) =>
    Buffer.from(run.replaceAll("\\x", ""), "hex").toString("utf8"),
  );
}

/** Undoes `escape=json`; text that is not well escaped stays as it is. */
export function unescapeJson(text: string): string {
  if (!text.includes("\\")) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}

/** What nginx writes for each upstream server tried: `a, b : c`. Absent ones (`-`) are left out; one is no list. */
export function toList(text: string, absent: string, isNumber: boolean): unknown {
  if (!text.includes(" ")) return isNumber ? presentNumber(text) : text;
  const items: unknown[] = [];
  for (const item of text.split(/, | : /)) {
    if (item === absent || item === "-" || item === "") continue;
    const value = isNumber ? presentNumber(item) : item;
    if (value !== undefined) items.push(value);
  }
  return items.length === 0 ? undefined : items.length === 1 ? items[0] : items;
}

function presentNumber(text: string): number | undefined {
  const value = toDecimal(text);
  return value === value ? value : undefined;
}
