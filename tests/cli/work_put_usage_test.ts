import assert from "node:assert/strict";
import { type Command, parseCommandLine, UsageError } from "../../lib/cli/command.ts";
import { put } from "../../lib/cli/put.ts";
import { work } from "../../lib/cli/work.ts";

/** Command lines that must fail before anything is dialed: nothing listens on port 1. */
const FAULTS: [command: Command, words: string[], message: RegExp][] = [
  [work, ["--"], /^a command is missing after "--"$/],
  [work, ["--kill-after", "5s"], /^--kill-after needs a COMMAND$/],
  [work, ["--timeout", "5s"], /^--timeout needs a COMMAND$/],
  [
    work,
    ["--tube", "mail", "--tube", "two words"],
    /^--tube "two words" is not the name of a tube/,
  ],
  [put, ["--tube", "two words", "x"], /^--tube "two words" is not the name of a tube: 1 to 200 /],
  [put, ["--tube", "a\r\ndelete 1", "x"], /^--tube "a\\r\\ndelete 1" is not the name of a tube/],
  [put, ["--tube=-a", "x"], /^--tube "-a" is not/],
];

for (const [command, words, message] of FAULTS) {
  Deno.test(`quartet ${command.name}: explains what is wrong with ${JSON.stringify(words)}`, async () => {
    const run = async () => await command.run(parseCommandLine(command, ["127.0.0.1:1", ...words]));
    await assert.rejects(run, (error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}
