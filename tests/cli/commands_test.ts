import assert from "node:assert/strict";
import { COMMAND_NAMES, loadCommand, loadCommands } from "../../lib/cli/commands.ts";
import { ImportGraph } from "../../tools/lint/import_graph.ts";
import { ROOT } from "../support/quartet.ts";

Deno.test("loadCommand() loads each command by its own name, and nothing else", async () => {
  for (const name of COMMAND_NAMES) assert.equal((await loadCommand(name))!.name, name);
  for (const name of ["", "sorted", "toString"]) assert.equal(await loadCommand(name), undefined);
  assert.deepEqual((await loadCommands()).map(({ name }) => name), COMMAND_NAMES);
});

Deno.test("quartet sort loads no service", () => {
  const imports = new ImportGraph();
  for (const service of ["echo", "kv", "task", "mesh", "admin"]) {
    const chain = imports.path(`${ROOT}lib/cli/sort.ts`, `${ROOT}lib/${service}/mod.ts`);
    assert.equal(chain, undefined);
  }
});
