import { inflateRawSync } from "node:zlib";

/**
 * The text of one file of a ZIP archive (a jar): stored or deflated, no ZIP64. Throws when it is not there.
 *
 *     end record:       50 4b 05 06 … at +10 entries (u16), at +16 start of the directory (u32)
 *     directory entry:  50 4b 01 02 … +10 method, +20 packed size, +28 name, +30 extra, +32 comment lengths, +42 local header
 *     local header:     50 4b 03 04 … +26 name length, +28 extra length, then name, extra, data
 */
export function readZipEntry(zip: Buffer, name: string): string {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
  if (end < 0) throw new Error("not a ZIP archive");
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = zip.readUInt16LE(at + 28);
    if (zip.toString("utf8", at + 46, at + 46 + nameLength) === name) {
      const local = zip.readUInt32LE(at + 42);
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const data = zip.subarray(start, start + zip.readUInt32LE(at + 20));
      return (zip.readUInt16LE(at + 10) === 0 ? data : inflateRawSync(data)).toString();
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`no ${name} in the archive`);
}
