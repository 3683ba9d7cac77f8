import { createRequire } from "node:module";
import type * as Elastic from "@elastic/elasticsearch";

// Through the client that is installed. The bundle has the same modules in itself: scripts/bundle.mjs puts them in the
// place of this file.
const clientRequire = createRequire(createRequire(import.meta.url).resolve("@elastic/elasticsearch"));

/**
 * The transport of the official client, without the client: that brings its whole API and Apache Arrow, 250 modules of
 * which nothing is used here, 0.12 s of CPU time at start and 10 MB (docs/decisions/0001). It is found through the
 * client, so it is always the version that belongs to it.
 */
export const { Diagnostic, errors, Serializer, Transport, UndiciConnection, WeightedConnectionPool } = clientRequire(
  "@elastic/transport",
) as Pick<
  typeof Elastic,
  "Diagnostic" | "errors" | "Serializer" | "Transport" | "UndiciConnection" | "WeightedConnectionPool"
>;
