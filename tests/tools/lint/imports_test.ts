import { deepStrictEqual } from "node:assert/strict";
import { placeOf } from "../../../tools/lint/project.ts";
import { TestProject } from "./support.ts";

const LAYERS = {
  layerings: [
    [["lib/*"], ["lib/net/"], ["lib/kv/", "lib/task/"], ["lib/daemon.ts"]],
    [["lib/kv/resp/"], ["lib/kv/*"]],
  ],
};

Deno.test("placeOf() prefers the longest place", () => {
  const places = ["lib/*", "lib/net/", "lib/net/tls/", "lib/daemon.ts"];
  deepStrictEqual(placeOf("lib/log.ts", places), "lib/*");
  deepStrictEqual(placeOf("lib/daemon.ts", places), "lib/daemon.ts");
  deepStrictEqual(placeOf("lib/net/address.ts", places), "lib/net/");
  deepStrictEqual(placeOf("lib/net/tls/conn.ts", places), "lib/net/tls/");
  deepStrictEqual(placeOf("lib/other/file.ts", places), undefined);
});

Deno.test("one-way-imports allows imports from lower layers and the same place", async () => {
  await using project = await TestProject.create({
    "lib/daemon.ts":
      'import "./kv/mod.ts";\nimport "./log.ts";\nimport toml from "../config.toml";',
    "lib/kv/mod.ts": 'import "./resp/parser.ts";\nimport "./session.ts";\nimport "npm:valibot";',
  }, LAYERS);
  deepStrictEqual(await project.lint("lib/daemon.ts"), []);
  deepStrictEqual(await project.lint("lib/kv/mod.ts"), []);
});

Deno.test("one-way-imports reports imports from a higher layer, of types too", async () => {
  await using project = await TestProject.create({
    "lib/log.ts": 'import type { Kv } from "./kv/mod.ts";',
    "lib/kv/resp/parser.ts": 'export { kv } from "../mod.ts";\nexport * from "../session.ts";',
    "lib/net/listener.ts": 'type Kv = import("../kv/mod.ts").Kv;\nawait import("../daemon.ts");',
  }, LAYERS);
  deepStrictEqual(await project.lint("lib/log.ts"), [
    'one-way-imports: "lib/*" lies below "lib/kv/" and must not import from it',
  ]);
  const resp = 'one-way-imports: "lib/kv/resp/" lies below "lib/kv/*" and must not import from it';
  deepStrictEqual(await project.lint("lib/kv/resp/parser.ts"), [resp, resp]);
  deepStrictEqual(await project.lint("lib/net/listener.ts"), [
    'one-way-imports: "lib/net/" lies below "lib/kv/" and must not import from it',
    'one-way-imports: "lib/net/" lies below "lib/daemon.ts" and must not import from it',
  ]);
});

Deno.test("one-way-imports reports imports between services", async () => {
  await using project = await TestProject.create({
    "lib/kv/mod.ts": 'import { task } from "../task/mod.ts";',
  }, LAYERS);
  deepStrictEqual(await project.lint("lib/kv/mod.ts"), [
    'one-way-imports: "lib/kv/" and "lib/task/" must not import each other',
  ]);
});

Deno.test("one-way-imports reports files without a layer and imports of tests", async () => {
  await using project = await TestProject.create({
    "lib/bus/mod.ts": "",
    "lib/log.ts": 'import "../tests/support.ts";',
    "tests/log_test.ts": 'import "../lib/daemon.ts";',
  }, LAYERS);
  deepStrictEqual(await project.lint("lib/bus/mod.ts"), [
    'one-way-imports: "lib/bus/mod.ts" belongs to no layer',
  ]);
  deepStrictEqual(await project.lint("lib/log.ts"), [
    'one-way-imports: The program must not import "tests/support.ts"',
  ]);
  deepStrictEqual(await project.lint("tests/log_test.ts"), []);
});

Deno.test("no-import-cycle reports cycles with their shortest path", async () => {
  await using project = await TestProject.create({
    "lib/a.ts": 'import { b } from "./b.ts";\nimport "./d.ts";',
    "lib/b.ts": 'import type {\n  First,\n  Second,\n} from "./c.ts";\nimport "./e.ts";',
    "lib/c.ts": 'export * from "./a.ts";',
    "lib/d.ts": "",
    "lib/e.ts": 'export const later = () => import("./f.ts");',
    "lib/f.ts": 'import "./c.ts";',
  });
  deepStrictEqual(await project.lint("lib/a.ts"), [
    "no-import-cycle: Import cycle: lib/a.ts -> lib/b.ts -> lib/c.ts -> lib/a.ts",
  ]);
  deepStrictEqual(await project.lint("lib/d.ts"), []);
  deepStrictEqual(await project.lint("lib/f.ts"), [
    "no-import-cycle: Import cycle: lib/f.ts -> lib/c.ts -> lib/a.ts -> lib/b.ts -> lib/e.ts -> lib/f.ts",
  ]);
});

Deno.test("no-import-cycle ignores imports in comments and strings", async () => {
  await using project = await TestProject.create({
    "lib/a.ts": 'import "./b.ts";',
    "lib/b.ts": [
      "/**",
      ' * import "./a.ts";',
      ' * await import("./a.ts");',
      " */",
      'export const folder = new URL("./a.ts", import.meta.url);',
      '// import "./a.ts";',
      'export const text = "import(./a.ts)";',
    ].join("\n"),
  });
  deepStrictEqual(await project.lint("lib/a.ts"), []);
});

Deno.test("no-import-cycle ignores missing files and other media types", async () => {
  await using project = await TestProject.create({
    "lib/a.ts": 'import "./missing.ts";\nimport text from "./a.html" with { type: "text" };',
    "lib/a.html": 'import "./a.ts";',
  });
  deepStrictEqual(await project.lint("lib/a.ts"), []);
});
