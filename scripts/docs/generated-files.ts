import type { Command } from "commander";
import type { ComponentLists } from "../../src/runtime/config/load.ts";
import { componentPage } from "./component-page.ts";
import { configurationPage } from "./configuration-page.ts";
import { editorSchema } from "./editor-schema.ts";
import { cliPage, errorsPage, indexPage, metricsPage } from "./reference-pages.ts";

/** Every generated file: path from the root of the repository, and content. */
export function generatedFiles(components: ComponentLists, program: Command): Map<string, string> {
  const files = new Map<string, string>();
  files.set("config/wiretail.schema.json", JSON.stringify(editorSchema(components), null, 2) + "\n");
  for (const kind of ["sources", "stages", "sinks"] as const) {
    for (const definition of components[kind])
      files.set(`docs/reference/${kind}/${definition.type}.md`, componentPage(definition));
  }
  files.set("docs/reference/README.md", indexPage(components));
  files.set("docs/reference/errors.md", errorsPage());
  files.set("docs/reference/cli.md", cliPage(program));
  files.set("docs/reference/configuration.md", configurationPage());
  files.set("docs/reference/metrics.md", metricsPage(components));
  return files;
}
