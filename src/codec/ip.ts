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

const GROUP = /^[0-9A-Fa-f]{1,4}$/;

/** RFC 4291 section 2.2: eight groups, `::` once, the last two groups perhaps as IPv4. */
export function isIpv6(text: string): boolean {
  if (text.length < 2 || text.length > 45) return false;
  const halves = text.split("::");
  if (halves.length > 2) return false;
  let count = 0;
  for (const [h, half] of halves.entries()) {
    if (half === "") continue;
    const groups = half.split(":");
    for (const [i, group] of groups.entries()) {
      const isLast = h === halves.length - 1 && i === groups.length - 1;
      if (GROUP.test(group)) count++;
      else if (isLast && isIpv4(group)) count += 2;
      else return false;
    }
  }
  return halves.length === 2 ? count <= 7 : count === 8;
}
