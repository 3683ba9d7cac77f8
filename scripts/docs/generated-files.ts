import type { Command } from "commander";
import { SHELLS, type Shell } from "../../src/cli/commands/completion.ts";
import { shapeOf } from "../../src/cli/completion/command-tree.ts";
import { manPage } from "../../src/cli/completion/man.ts";
import { completionScript } from "../../src/cli/completion/script.ts";
import { packageVersion } from "../../src/cli/version.ts";
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
  for (const shell of SHELLS) files.set(`completions/${COMPLETION_FILES[shell]}`, completionScript(program, shell));
  files.set("man/wiretail.1", manPage(shapeOf(program), packageVersion()));
  return files;
}

/** As the shells look for them. */
const COMPLETION_FILES: Readonly<Record<Shell, string>> = {
  bash: "wiretail.bash",
  zsh: "_wiretail",
  fish: "wiretail.fish",
};
