import assert from "node:assert/strict";
import { loadCommands } from "../../lib/cli/commands.ts";
import { isInstalled } from "../support/programs.ts";
import { runHere } from "../support/command_line.ts";

async function run(program: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const decoder = new TextDecoder();
  assert.ok(success, decoder.decode(stderr));
  return decoder.decode(stdout);
}

Deno.test("quartet completions: every shell gets every command and option", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await runHere(["completions", shell]);
    assert.equal(code, 0);
    for (const { name, options } of await loadCommands()) {
      assert.match(stdout, new RegExp(`\\b${name}\\b`));
      for (const option of options) assert.match(stdout, new RegExp(`(--|-l )${option.name}\\b`));
    }
  }
  assert.equal((await runHere(["completions", "tcsh"])).code, 2);
});

Deno.test({
  name: "quartet completions: bash completes commands and options",
  ignore: !await isInstalled("bash"),
  fn: async () => {
    const { stdout } = await runHere(["completions", "bash"]);
    const complete = (...words: string[]) =>
      run("bash", [
        "-c",
        `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quartet; echo "\${COMPREPLY[@]}"`,
        "bash",
        ...words,
      ]);
    assert.equal(await complete("quartet", "ser"), "serve\n");
    assert.equal(await complete("quartet", "serve", "--c"), "--config\n");
    assert.equal(await complete("quartet", "init", "--"), "--force --help\n");
  },
});

for (const shell of ["zsh", "fish"]) {
  Deno.test({
    name: `quartet completions: ${shell} accepts the script`,
    ignore: !await isInstalled(shell),
    fn: async () => {
      const { stdout } = await runHere(["completions", shell]);
      const file = await Deno.makeTempFile();
      await Deno.writeTextFile(file, stdout);
      await run(shell, ["-n", file]).finally(() => Deno.remove(file));
    },
  });
}
