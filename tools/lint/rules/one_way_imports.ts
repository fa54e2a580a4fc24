import { eachImport } from "../each_import.ts";
import { projectPath } from "../paths.ts";
import { placeOf } from "../project.ts";
import type { Layering, Project } from "../project.ts";

/** Reports imports from a higher layer, and between places in the same layer. */
export function oneWayImports(project: Project): Deno.lint.Rule {
  return {
    create(context) {
      const from = projectPath(project.root, context.filename);
      if (placeOf(from, project.layered) === undefined) return {};
      return {
        Program(node) {
          if (project.layerings.some((layering) => placeOf(from, layering.flat()))) return;
          context.report({
            node,
            message: `"${from}" belongs to no layer`,
            hint: "Add its folder to a layer in tools/lint/project.ts",
          });
        },
        ...eachImport(context, (node, path) => {
          const to = projectPath(project.root, path);
          if (!to.endsWith(".ts")) return;
          const message = placeOf(to, project.layered) === undefined
            ? `The program must not import "${to}"`
            : project.layerings.map((layering) => fault(layering, from, to)).find(Boolean);
          if (message) context.report({ node, message });
        }),
      };
    },
  };
}

function fault(layering: Layering, from: string, to: string): string | undefined {
  const places = layering.flat();
  const [source, target] = [placeOf(from, places), placeOf(to, places)];
  if (source === undefined || target === undefined || source === target) return undefined;
  const [own, other] = [layerOf(layering, source), layerOf(layering, target)];
  if (own > other) return undefined;
  return own === other
    ? `"${source}" and "${target}" must not import each other`
    : `"${source}" lies below "${target}" and must not import from it`;
}

function layerOf(layering: Layering, place: string): number {
  return layering.findIndex((layer) => layer.includes(place));
}
