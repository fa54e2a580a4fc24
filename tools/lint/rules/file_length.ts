import type { Project } from "../project.ts";

/** Refuses files that are longer than the project allows. */
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
            hint: "Give one of its concerns a file of its own",
          });
        },
      };
    },
  };
}
