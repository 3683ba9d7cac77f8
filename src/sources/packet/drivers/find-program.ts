import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Where Debian and others keep programs for administrators, which are not in everybody's PATH. */
const MORE_FOLDERS = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/** The path of a program, or undefined where it is not installed. */
export function findProgram(name: string, path = process.env["PATH"] ?? ""): string | undefined {
  for (const folder of [...path.split(delimiter), ...MORE_FOLDERS]) {
    if (folder === "") continue;
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not here.
    }
  }
  return undefined;
}
