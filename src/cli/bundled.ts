import { fileURLToPath } from "node:url";
import { runsFromBundle } from "./stack-trace.ts";

// The bundle begins here (scripts/bundle.mjs). Its folder lies beside that of the modules it is made of.
runsFromBundle(fileURLToPath(new URL("../../bundle/wiretail.cjs", import.meta.url)));

/** As in main.ts, which is loaded only now, so that what goes wrong in doing so is shown well, too. */
export const ended = import("./main.ts").then((main) => main.ended);
