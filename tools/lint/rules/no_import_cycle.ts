import { eachImport } from "../each_import.ts";
import { projectPath } from "../paths.ts";
import type { ImportGraph } from "../import_graph.ts";
import type { Project } from "../project.ts";

/** Reports imports, including those of types, that close a cycle. */
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
          hint: "Move what both files need into a third one",
        });
      });
    },
  };
}
