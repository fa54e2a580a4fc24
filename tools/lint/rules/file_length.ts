import type { Project } from "../project.ts";

/** Reports files that are too long. */
export function fileLength(project: Project): Deno.lint.Rule {
  return {
    create(context) {
      return {
        Program(node) {
          const lines = context.sourceCode.text.split("\n").length - 1;
          if (lines <= project.maxLines) return;
          context.report({
            node,
            message: `The file has ${lines} lines, more than ${project.maxLines}`,
            hint: "Move one of its concerns into another file",
          });
        },
      };
    },
  };
}
