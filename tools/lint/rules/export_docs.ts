import { liesIn } from "../project.ts";
import type { Project } from "../project.ts";

type Export = Deno.lint.ExportNamedDeclaration | Deno.lint.ExportDefaultDeclaration;

/**
 * Requires a docstring on every export. One on the first of several overloads is enough, as is one on
 * the first of several constants that follow each other without an empty line.
 */
export function exportDocs(project: Project): Deno.lint.Rule {
  return {
    create(context) {
      if (!liesIn(project, context.filename, project.documented)) return {};
      let previous: Export | undefined;
      const check = (node: Export) => {
        if (node.declaration === null) return;
        const continued = previous !== undefined && continues(context.sourceCode, previous, node);
        previous = node;
        if (continued || isDocumented(context.sourceCode, node)) return;
        context.report({ node, message: `"${nameOf(node) ?? "default"}" has no docstring` });
      };
      return { ExportNamedDeclaration: check, ExportDefaultDeclaration: check };
    },
  };
}

/** Whether a docstring precedes `node`, possibly followed by lint directives. */
function isDocumented(source: Deno.lint.SourceCode, node: Export): boolean {
  const comment = source.getCommentsBefore(node).findLast((comment) => comment.type === "Block");
  if (!comment?.value.startsWith("*") || comment.value.includes("@module")) return false;
  return /^(\s*\/\/.*\n)*\s*$/.test(source.text.slice(comment.range[1], node.range[0]));
}

/** Whether the docstring of `previous` covers `node` too. */
function continues(source: Deno.lint.SourceCode, previous: Export, node: Export): boolean {
  const name = nameOf(node);
  if (name !== undefined && name === nameOf(previous)) return true;
  return node.declaration?.type === "VariableDeclaration" &&
    previous.declaration?.type === "VariableDeclaration" &&
    source.text.slice(previous.range[1], node.range[0]) === "\n";
}

function nameOf(node: Export): string | undefined {
  const declaration = node.declaration;
  if (!declaration) return undefined;
  const named = declaration.type === "VariableDeclaration"
    ? declaration.declarations[0]
    : declaration;
  return named && "id" in named && named.id?.type === "Identifier" ? named.id.name : undefined;
}
