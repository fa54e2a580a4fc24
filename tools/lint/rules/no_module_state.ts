import { liesIn } from "../project.ts";
import type { Project } from "../project.ts";

/** Constructors of mutable collections, unless annotated as `ReadonlyMap` or `ReadonlySet`. */
const COLLECTIONS: ReadonlySet<string> = new Set(["Map", "Set", "WeakMap", "WeakSet"]);

/** Methods that modify an array or a collection. */
const WRITES: ReadonlySet<string> = new Set(
  ["add", "clear", "copyWithin", "delete", "fill", "pop", "push", "reverse"].concat(
    ["set", "shift", "sort", "splice", "unshift"],
  ),
);

/**
 * Reports state that a module holds, instead of an instance:
 *
 * - `let` and `var` at the top of a module, and static fields that are not `readonly`;
 * - a top-level `const` that starts as an empty array or object, or as a collection (`new Map()`) that
 *   is not annotated as read-only;
 * - an exported array or object literal that is neither `as const`, nor annotated as read-only or with
 *   a named type (which decides for each field);
 * - code that modifies a top-level `const` that was declared with an array or object literal.
 *
 * Constants are matched by name, so a local variable must not share the name of one.
 */
export function noModuleState(project: Project): Deno.lint.Rule {
  return {
    create(context) {
      if (!liesIn(project, context.filename, project.stateless)) return {};
      const tables = new Set<string>();
      const report = (node: Deno.lint.Node, message: string) =>
        context.report({
          node,
          message,
          hint: "Let an instance own state; type a table as readonly",
        });
      const reportWrite = (node: Deno.lint.Node, target: Deno.lint.Node) => {
        const name = rootName(target);
        if (name !== undefined && tables.has(name)) {
          report(node, `This writes to "${name}", which belongs to the module`);
        }
      };
      return {
        Program({ body }) {
          for (const statement of body) {
            const exported = statement.type === "ExportNamedDeclaration";
            const declaration = exported ? statement.declaration : statement;
            if (declaration?.type !== "VariableDeclaration" || declaration.declare) continue;
            if (declaration.kind === "let" || declaration.kind === "var") {
              report(declaration, `A module must not have a "${declaration.kind}"`);
              continue;
            }
            for (const declarator of declaration.declarations) {
              if (isState(declarator, exported)) {
                report(declarator, "A module must not have data that can be written to");
              } else if (isLiteral(declarator.init) && declarator.id.type === "Identifier") {
                tables.add(declarator.id.name);
              }
            }
          }
        },
        PropertyDefinition(node) {
          if (node.static && !node.readonly) report(node, "A static field must be readonly");
        },
        AssignmentExpression: (node) => reportWrite(node, node.left),
        UpdateExpression: (node) => reportWrite(node, node.argument),
        UnaryExpression(node) {
          if (node.operator === "delete") reportWrite(node, node.argument);
        },
        CallExpression(node) {
          const { callee } = node;
          if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return;
          if (WRITES.has(callee.property.name)) reportWrite(node, callee.object);
        },
      };
    },
  };
}

function isState({ id, init }: Deno.lint.VariableDeclarator, exported: boolean): boolean {
  const type = id.type === "Identifier" ? id.typeAnnotation?.typeAnnotation : undefined;
  if (isReadonly(type)) return false;
  switch (init?.type) {
    case "NewExpression":
      return init.callee.type === "Identifier" && COLLECTIONS.has(init.callee.name);
    case "ArrayExpression":
      return exported || init.elements.length === 0;
    case "ObjectExpression":
      return (exported || init.properties.length === 0) && !isNamedType(type);
    default:
      return false;
  }
}

function isLiteral(init: Deno.lint.Expression | null): boolean {
  return init?.type === "ArrayExpression" || init?.type === "ObjectExpression";
}

function isReadonly(type: Deno.lint.TypeNode | undefined): boolean {
  if (type?.type === "TSTypeOperator") return type.operator === "readonly";
  return typeName(type)?.startsWith("Readonly") ?? false;
}

function isNamedType(type: Deno.lint.TypeNode | undefined): boolean {
  const name = typeName(type);
  return name !== undefined && name !== "Record" && name !== "Partial";
}

function typeName(type: Deno.lint.TypeNode | undefined): string | undefined {
  if (type?.type !== "TSTypeReference") return undefined;
  return type.typeName.type === "Identifier" ? type.typeName.name : "";
}

/** The variable at the root of an expression such as `table.rows[0]`. */
function rootName(node: Deno.lint.Node): string | undefined {
  let root = node;
  while (root.type === "MemberExpression") root = root.object;
  return root.type === "Identifier" ? root.name : undefined;
}
