import { EXIT_CODES } from "../exit-code.ts";
import { loadHost } from "../load-host.ts";
import { processScreen } from "../screen.ts";

export interface TraceCommandOptions {
  readonly config?: string;
  readonly store?: string;
  readonly json?: boolean;
  readonly color: boolean;
}

/** `wiretail search --trace ID`: the journey of one event. 0 when something of it is known. */
export async function runTrace(id: string, options: TraceCommandOptions): Promise<number> {
  const [{ WiretailError }, { traceEvent }, { traceLines }] = await Promise.all([
    import("../../core/error.ts"),
    import("../trace/trace.ts"),
    import("../trace/view.ts"),
  ]);
  if (options.config === undefined)
    throw new WiretailError("WT_USAGE", "--trace needs the configuration", {
      hint: "say -c FILE: it says where the checkpoints are and which stages the event went through",
    });
  const config = await loadHost(options.config);
  const local = config.sinks.find(({ definition }) => definition.type === "local");
  const folder = options.store ?? (local?.options as { readonly path: string } | undefined)?.path;
  const trace = await traceEvent(id.trim(), {
    config,
    stored: folder === undefined ? undefined : (wanted) => storedDocument(folder, wanted),
  });
  const screen = processScreen();
  if (options.json === true) screen.out(`${JSON.stringify(trace)}\n`);
  else screen.out(traceLines(trace, screen.colour && options.color).join("\n") + "\n");
  return EXIT_CODES.ok;
}

/** The document with this id in a local store; undefined where there is none, or no store. */
async function storedDocument(folder: string, id: string): Promise<{ folder: string; json: string } | undefined> {
  const [{ openStore }, { parseKql }] = await Promise.all([
    import("../../store/search.ts"),
    import("../../codec/kql/parse.ts"),
  ]);
  const store = await openStore({ folder }).catch(() => undefined);
  if (store === undefined) return undefined;
  try {
    const query = parseKql(`_id: "${id}"`);
    const { documents } = await store.search(
      { query, fromMs: undefined, toMs: undefined, nowMs: Date.now() },
      "newest",
      1,
    );
    return documents[0] === undefined ? undefined : { folder, json: documents[0].json };
  } finally {
    await store.close();
  }
}
