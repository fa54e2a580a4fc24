import { importedPath } from "./paths.ts";

/** A visitor that calls `visit` for every import of a relative file, including types and re-exports. */
export function eachImport(
  context: Deno.lint.RuleContext,
  visit: (node: Deno.lint.Node, path: string) => void,
): Deno.lint.LintVisitor {
  const check = (source: Deno.lint.Node | null) => {
    if (source?.type !== "Literal" || typeof source.value !== "string") return;
    if (!source.value.startsWith(".")) return;
    visit(source, importedPath(context.filename, source.value));
  };
  return {
    ImportDeclaration: (node) => check(node.source),
    ExportNamedDeclaration: (node) => check(node.source),
    ExportAllDeclaration: (node) => check(node.source),
    ImportExpression: (node) => check(node.source),
    TSImportType: (node) => {
      if (node.argument.type === "TSLiteralType") check(node.argument.literal);
    },
  };
}
