import { deepStrictEqual } from "node:assert/strict";
import { lintText } from "./support.ts";

const DOCUMENTED = { documented: ["lib/"] };
const INTERFACE = { interfaceFiles: ["lib/a.ts"], engineName: /\bsqlite\w*/i };

Deno.test("export-docs reports exports without a docstring", async () => {
  const text = [
    "/** What the module is about.",
    " * @module",
    " */",
    "export const A = 1;",
    "// no docstring",
    "export function b() {}",
    "/* no docstring */",
    "export class C {}",
    "/** Of something else. */",
    "const x = 1;",
    "export interface D {}",
    "export default x;",
  ].join("\n");
  deepStrictEqual(await lintText(text, DOCUMENTED), [
    'export-docs: "A" has no docstring',
    'export-docs: "b" has no docstring',
    'export-docs: "C" has no docstring',
    'export-docs: "D" has no docstring',
    'export-docs: "default" has no docstring',
  ]);
});

Deno.test("export-docs accepts documented exports and re-exports", async () => {
  const text = [
    "/** A number. */",
    "export const A = 1;",
    "export const B = 2;",
    "/** Overloads. */",
    "export function c(x: number): number;",
    "export function c(x: string): string;",
    "export function c(x: unknown): unknown {",
    "  return x;",
    "}",
    "/** A type. */",
    "// deno-lint-ignore no-explicit-any -- a reason",
    "export type D = any;",
    'export { e } from "./e.ts";',
    'export * from "./f.ts";',
    "function hidden() {}",
  ].join("\n");
  deepStrictEqual(await lintText(text, DOCUMENTED), []);
});

Deno.test("export-docs requires a docstring after an empty line", async () => {
  const text = "/** A number. */\nexport const A = 1;\n\nexport const B = 2;\n";
  deepStrictEqual(await lintText(text, DOCUMENTED), ['export-docs: "B" has no docstring']);
});

Deno.test("no-engine-name reports the first name in an interface file", async () => {
  deepStrictEqual(
    await lintText("const a = 1;\n// as SQLite does\nconst sqliteB = 2;", INTERFACE),
    [
      'no-engine-name: An interface must not name an engine: line 2 has "SQLite"',
    ],
  );
  deepStrictEqual(await lintText("// the log of an engine\n", INTERFACE), []);
});

Deno.test("no-engine-name ignores other files", async () => {
  deepStrictEqual(
    await lintText("// SQLite\n", { ...INTERFACE, interfaceFiles: ["lib/b.ts"] }),
    [],
  );
});

Deno.test("file-length reports files above the limit", async () => {
  deepStrictEqual(await lintText("f();\n".repeat(10), { maxLines: 10 }), []);
  deepStrictEqual(await lintText("f();\n".repeat(11), { maxLines: 10 }), [
    "file-length: The file has 11 lines, more than 10",
  ]);
});
