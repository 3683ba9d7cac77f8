import { createHash } from "node:crypto";
import { type Hello, isGrease } from "./hello.ts";

/**
 * JA3 of a ClientHello (github.com/salesforce/ja3): the MD5 of version, ciphers, extensions, groups and point formats in
 * their order, in decimal, without GREASE.
 */
export function ja3(hello: Hello): string {
  return md5(ja3Text(hello));
}

/** What JA3 hashes. */
export function ja3Text({ version, ciphers, extensions, groups, pointFormats }: Hello): string {
  return [version, listed(ciphers), listed(extensions), listed(groups), pointFormats.join("-")].join(",");
}

/** JA3S of a ServerHello: version, cipher, extensions. */
export function ja3s({ version, ciphers, extensions }: Hello): string {
  return md5([version, ciphers[0], extensions.join("-")].join(","));
}

/**
 * JA4 of a ClientHello over TCP (FoxIO-LLC/ja4, technical_details/JA4.md): `t`, version, whether there is a server name,
 * counts, ends of the first ALPN; hashes of the sorted ciphers, and of the sorted extensions with the signature
 * algorithms. GREASE is left out everywhere.
 */
export function ja4(hello: Hello): string {
  const ciphers = hello.ciphers.filter(isMeant);
  const extensions = hello.extensions.filter(isMeant);
  const offered = hello.versions.filter(isMeant);
  const version = VERSIONS[offered.length > 0 ? Math.max(...offered) : hello.version] ?? "00";
  const hasName = hello.extensions.includes(0) ? "d" : "i";
  const head = `t${version}${hasName}${twoDigits(ciphers.length)}${twoDigits(extensions.length)}${alpnEnds(hello.alpn[0])}`;
  // The server name and ALPN depend on where a client goes, not on what it is.
  const told = hexSorted(extensions.filter((type) => type !== 0x0000 && type !== 0x0010));
  const algorithms = hello.signatureAlgorithms.filter(isMeant).map(hex4).join(",");
  const cipherHash = ciphers.length === 0 ? NOTHING : sha256(hexSorted(ciphers));
  const extensionHash = extensions.length === 0 ? NOTHING : sha256(algorithms === "" ? told : `${told}_${algorithms}`);
  return `${head}_${cipherHash}_${extensionHash}`;
}

const NOTHING = "000000000000";
const VERSIONS: Readonly<Record<number, string>> = {
  ...{ 0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2" },
};

function isMeant(value: number): boolean {
  return !isGrease(value);
}

function listed(values: readonly number[]): string {
  return values.filter(isMeant).join("-");
}

function twoDigits(count: number): string {
  return String(Math.min(99, count)).padStart(2, "0");
}

/** Its first and last character; of its hexadecimal form where one of them is no ASCII letter or digit; 00: there is none. */
function alpnEnds(name: Uint8Array | undefined): string {
  if (name === undefined || name.length === 0) return "00";
  const text = Buffer.from(name).toString("latin1");
  const ends = text[0]! + text.at(-1)!;
  if (/^[0-9A-Za-z]{2}$/.test(ends)) return ends;
  const hex = Buffer.from(name).toString("hex");
  return hex[0]! + hex.at(-1)!;
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, "0");
}

function hexSorted(values: readonly number[]): string {
  return values.map(hex4).sort().join(",");
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
