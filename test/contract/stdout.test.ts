import { Writable } from "node:stream";
import { PLAIN } from "../../src/sinks/stdout/pretty.ts";
import { StdoutSink, type Format } from "../../src/sinks/stdout/sink.ts";
import { sinkContract } from "./sink-contract.ts";

for (const format of ["json", "text"] satisfies Format[]) {
  sinkContract(`stdout, ${format}`, async () => {
    const chunks: Buffer[] = [];
    let isHanging = false;
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        if (isHanging) return;
        chunks.push(Buffer.from(chunk));
        setImmediate(done);
      },
    });
    return {
      sink: new StdoutSink(stream, format, PLAIN),
      ordered: true,
      received: async () => {
        const lines = Buffer.concat(chunks).toString("utf8").split("\n").slice(0, -1);
        return format === "json" ? lines.map((line) => (JSON.parse(line) as { message: string }).message) : lines;
      },
      hang: async () => void (isHanging = true),
      dispose: async () => void stream.destroy(),
    };
  });
}
