import { eachImport } from "../each_import.ts";
import { projectPath } from "../paths.ts";
import type { ImportGraph } from "../import_graph.ts";
import type { Project } from "../project.ts";

/** Refuses an import, of types too, through which a file comes to import itself. */
export function noImportCycle(project: Project, graph: ImportGraph): Deno.lint.Rule {
  return {
    create(context) {
      return eachImport(context, (node, path) => {
        const cycle = graph.path(path, context.filename);
        if (!cycle) return;
        const files = [context.filename, ...cycle].map((file) => projectPath(project.root, file));
        context.report({
          node,
          message: `Import cycle: ${files.join(" -> ")}`,
          hint: "Move what both need into a file of its own",
        });
      });
    },
  };
}
