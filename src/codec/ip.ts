/** Whether the text is an IPv4 or IPv6 address as Elasticsearch's `ip` type takes it (no zone index, no prefix length). */
export function isIp(text: string): boolean {
  return isIpv4(text) || (text.includes(":") && isIpv6(text));
}

/** Whether the text is four decimal numbers up to 255 without leading zeros, between dots. */
export function isIpv4(text: string): boolean {
  const length = text.length;
  if (length < 7 || length > 15) return false;
  let dots = 0;
  let value = 0;
  let digits = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (digits === 0 || ++dots > 3) return false;
      value = digits = 0;
    } else {
      const digit = code - 48;
      if (!(digit >= 0 && digit <= 9) || (digits > 0 && value === 0)) return false;
      value = value * 10 + digit;
      digits++;
      if (value > 255) return false;
    }
  }
  return dots === 3 && digits > 0;
}

/** RFC 4291 section 2.2: eight groups, `::` once, the last two groups perhaps as IPv4. */
export function isIpv6(text: string): boolean {
  const length = text.length;
  if (length < 2 || length > 45) return false;
  let groups = 0;
  let digits = 0;
  let isShortened = false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 58) {
      const isDouble = text.charCodeAt(i + 1) === 58;
      if (isDouble) {
        if (isShortened) return false;
        isShortened = true;
        i++;
      } else if (digits === 0 || i + 1 === length) return false;
      digits = 0;
    } else if ((code >= 48 && code <= 57) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70)) {
      if (digits === 0) groups++;
      if (++digits > 4) return false;
    } else if (code === 46 && digits > 0) {
      if (!isIpv4(text.slice(i - digits))) return false;
      groups++;
      break;
    } else return false;
  }
  return isShortened ? groups <= 7 : groups === 8;
}

/** The 4 or 16 bytes of an address in network order; undefined: it is none. */
export function ipBytes(text: string): Uint8Array | undefined {
  if (isIpv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!text.includes(":") || !isIpv6(text)) return undefined;
  const lastColon = text.lastIndexOf(":");
  const last4 = text.includes(".") ? ipBytes(text.slice(lastColon + 1))! : undefined;
  const groups = last4 === undefined ? text : `${text.slice(0, lastColon + 1)}0:0`;
  const [head = "", tail] = groups.split("::");
  const [before, after] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":"))) as [
    string[],
    string[],
  ];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  const bytes = new Uint8Array(16);
  [...before, ...zeros, ...after].forEach((group, i) => {
    const value = parseInt(group, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value & 255;
  });
  if (last4 !== undefined) bytes.set(last4, 12);
  return bytes;
}
