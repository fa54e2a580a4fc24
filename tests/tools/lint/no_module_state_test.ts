import { deepStrictEqual } from "node:assert/strict";
import { lintText } from "./support.ts";

const RULES = { stateless: ["lib/"] };

/** Modules that hold state. */
const STATE = [
  "let count = 0;",
  "export let count = 0;",
  "var count = 0;",
  "const jobs = new Map();",
  "const jobs: Map<string, number> = new Map();",
  "const seen = new WeakSet();",
  "const waiting: string[] = [];",
  "const cache: Record<string, string> = {};",
  "export const NAMES = ['a', 'b'];",
  "export const NAMES: string[] = ['a', 'b'];",
  "export const TABLE = { a: 1 };",
  "export const TABLE: Record<string, number> = { a: 1 };",
  "class Counter { static count = 0; }",
];

/** Modules without state. */
const NO_STATE = [
  "declare let count: number;",
  "const LIMIT = 1;",
  "const JOBS: ReadonlyMap<string, number> = new Map([['a', 1]]);",
  "const NAMES: ReadonlySet<string> = new Set(['a']);",
  "const NAMES = ['a', 'b'];",
  "const NONE: readonly string[] = [];",
  "const TABLE = { a: 1 };",
  "export const NAMES = ['a', 'b'] as const;",
  "export const NAMES: readonly string[] = ['a', 'b'];",
  "export const TABLE = { a: 1 } as const;",
  "export const TABLE = Object.freeze({ a: 1 });",
  "export const TABLE: Readonly<Record<string, number>> = { a: 1 };",
  "export const service: Service<Config> = { name: 'kv' };",
  "const [port] = Deno.args;",
  "const encoder = new TextEncoder();",
  "function run() { let count = 0; const jobs = new Map(); const list = []; list.push(count, jobs); }",
  "class Queue { readonly #jobs = new Map(); static readonly LIMIT = 1; count = 0; }",
];

/** Statements that modify a table. */
const WRITES = [
  "TABLE.a = 1;",
  "TABLE.rows[0].done = true;",
  "TABLE.a++;",
  "delete TABLE.a;",
  "TABLE.rows.push(1);",
  "TABLE.sort();",
];

for (const text of STATE) {
  Deno.test(`no-module-state reports ${text}`, async () => {
    deepStrictEqual((await lintText(text, RULES)).length, 1);
  });
}

for (const text of NO_STATE) {
  Deno.test(`no-module-state allows ${text}`, async () => {
    deepStrictEqual(await lintText(text, RULES), []);
  });
}

for (const text of WRITES) {
  Deno.test(`no-module-state reports ${text}`, async () => {
    const messages = await lintText(
      `const TABLE = { rows: [1] };\nfunction f() { ${text} }`,
      RULES,
    );
    deepStrictEqual(messages, [
      'no-module-state: This writes to "TABLE", which belongs to the module',
    ]);
  });
}

Deno.test("no-module-state allows reading a table and writing to other things", async () => {
  const text = "const TABLE = { rows: [1] };\n" +
    "function f(list) { list.push(-TABLE.rows[0]); list.last = TABLE.rows.slice().concat(list); }";
  deepStrictEqual(await lintText(text, RULES), []);
});

Deno.test("no-module-state ignores other places", async () => {
  deepStrictEqual(await lintText("let count = 0;"), []);
});
