import { liesIn } from "../project.ts";
import type { Project } from "../project.ts";

/** Reports names of storage engines in interface files, comments included. */
export function noEngineName(project: Project): Deno.lint.Rule {
  return {
    create(context) {
      if (!liesIn(project, context.filename, project.interfaceFiles)) return {};
      return {
        Program(node) {
          const name = project.engineName.exec(context.sourceCode.text)?.[0];
          if (name === undefined) return;
          const line = lineOf(context.sourceCode.text, name);
          context.report({
            node,
            message: `An interface must not name an engine: line ${line} has "${name}"`,
            hint: "Describe what callers can rely on with every engine",
          });
        },
      };
    },
  };
}

function lineOf(text: string, name: string): number {
  return text.slice(0, text.indexOf(name)).split("\n").length;
}
