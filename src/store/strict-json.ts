const ESCAPED_SURROGATE = Buffer.from("\\ud");
const ESCAPED_SURROGATE_UPPER = Buffer.from("\\uD");
const ESCAPES = /\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|[^])/g;

/**
 * Replaces escapes of half a surrogate pair (`"\ud800"`), which JavaScript reads and writes but JSON tools refuse, by
 * U+FFFD, so that one such value does not hide its document from every other reader. Returns `bytes` itself when
 * there is none.
 */
export function strictJson(bytes: Buffer): Buffer {
  if (!bytes.includes(ESCAPED_SURROGATE) && !bytes.includes(ESCAPED_SURROGATE_UPPER)) return bytes;
  return Buffer.from(
    bytes.toString("utf8").replace(ESCAPES, (escape, lone) => (lone === undefined ? escape : "\\ufffd")),
  );
}
