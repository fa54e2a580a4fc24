import assert from "node:assert/strict";
import { type JobStatus, parseCommand, statusLines } from "../../../lib/mesh/node/console.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";

Deno.test("parseCommand() takes names with blanks in double quotes", () => {
  const cases: [string, string, string][] = [
    ['SORT "my file" sorted', "my file", "sorted"],
    ['sort in "a  b/c d" lines', "in", "a  b/c d"],
    ['  SORT a" "b c"d"  ', "a b", "cd"],
    ["SORT in out", "in", "out"],
  ];
  for (const [line, input, output] of cases) {
    const command = parseCommand(line);
    assert.ok(command.word === "SORT");
    assert.deepEqual([command.input, command.output], [input, output], line);
  }
});

Deno.test("parseCommand() refuses a quote that is not closed, wherever it is", () => {
  for (const line of ['SORT "a b', 'SORT a b"', 'SORT "a" "b', '"']) {
    assert.throws(() => parseCommand(line), /^SyntaxError: a double quote is not closed$/, line);
  }
});

Deno.test("statusLines() spells names as a command does", () => {
  const job: JobStatus = {
    id: 1,
    input: "my file",
    output: "out",
    format: DEFAULT_RECORD_FORMAT,
    state: "waiting",
    result: "",
    progress: [],
  };
  assert.deepEqual(statusLines({ jobs: [job], up: [] }), ['job 1 waiting "my file" out']);
});
