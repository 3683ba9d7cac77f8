import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { file } from "../../src/sinks/file/index.ts";
import { makeContext } from "../support/context.ts";
import { sinkContract } from "./sink-contract.ts";

for (const format of ["json", "text"] as const) {
  sinkContract(`file, ${format}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "wiretail-file-"));
    const path = join(folder, "sub", "events.log");
    const context = makeContext();
    const read = (): Promise<string> => readFile(path, "utf8").catch(() => "");
    return {
      sink: await file.create({ path, format, gzip: false, mode: "0640" }, context),
      ordered: true,
      deduplicates: true,
      received: async () => {
        const lines = (await read()).split("\n").slice(0, -1);
        return format === "json" ? lines.map((line) => (JSON.parse(line) as { message: string }).message) : lines;
      },
      // A file in the place of the folder: fails for root too.
      fail: async () => {
        await rename(join(folder, "sub"), join(folder, "moved")).catch(() => mkdir(join(folder, "moved")));
        await writeFile(join(folder, "sub"), "");
      },
      mend: async () => {
        await rm(join(folder, "sub"));
        await rename(join(folder, "moved"), join(folder, "sub"));
      },
      dispose: async () => {
        context.dispose();
        await chmod(folder, 0o700);
        await rm(folder, { recursive: true, force: true });
      },
    };
  });
}
