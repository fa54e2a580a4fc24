/**
 * The house rules of CONTRIBUTING.md that a machine can check, as a plugin of `deno lint`.
 * `project.ts` holds what the rules know about this project; each rule has a file in `rules/`.
 *
 * @module
 */

import { ImportGraph } from "./import_graph.ts";
import { PROJECT } from "./project.ts";
import { exportDocs } from "./rules/export_docs.ts";
import { fileLength } from "./rules/file_length.ts";
import { noEngineName } from "./rules/no_engine_name.ts";
import { noImportCycle } from "./rules/no_import_cycle.ts";
import { noModuleState } from "./rules/no_module_state.ts";
import { oneWayImports } from "./rules/one_way_imports.ts";
import type { Project } from "./project.ts";

/**
 * Creates the plugin for one project.
 *
 * The rules share an import graph that reads each file once, so files that change while the plugin
 * lives are not read again.
 */
export function createPlugin(project: Project): Deno.lint.Plugin {
  return {
    name: "quartet",
    rules: {
      "export-docs": exportDocs(project),
      "file-length": fileLength(project),
      "no-engine-name": noEngineName(project),
      "no-import-cycle": noImportCycle(project, new ImportGraph()),
      "no-module-state": noModuleState(project),
      "one-way-imports": oneWayImports(project),
    },
  };
}

/** The plugin that deno.json names. */
export default createPlugin(PROJECT);
