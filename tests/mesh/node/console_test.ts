import assert from "node:assert/strict";
import {
  historyLines,
  type JobStatus,
  parseCommand,
  statusLines,
} from "../../../lib/mesh/node/console.ts";
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

Deno.test("parseCommand() takes the options of sort, and says what is wrong with one", () => {
  const command = parseCommand('SORT in out -t" " -k2,2n -sk 3 -r');
  assert.ok(command.word === "SORT");
  assert.deepEqual(command.format.order, ["-t ", "-k2n,2", "-k3r", "-rs"]);
  assert.equal(command.format.recordBytes, 0);
  const csv = parseCommand("SORT in out --csv -t ; -k2");
  assert.ok(csv.word === "SORT");
  assert.deepEqual(csv.format.order, ["--csv", "-t;", "-k2"]);
  const cases: [string, RegExp][] = [
    ["-k0", /fields are numbered from 1/],
    ["-x", /unknown letter "x" in "-x"/],
    ["-k", /"" as a key/],
    ["-k2 record=5", /"lines" and "record" together/],
    ["-k2 key=0:3", /the bytes "0:3" as a key together with fields/],
    ["-n numbers", /unknown option "numbers": lines, record=, key=, top=, or options of sort/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => parseCommand(`SORT in out ${options}`), { name: "SyntaxError", message });
  }
});

Deno.test("parseCommand() takes COUNT, and the operations of SORT", () => {
  const operation = (line: string) => {
    const command = parseCommand(line);
    assert.ok(command.word === "SORT" || command.word === "COUNT");
    const { recordBytes, order, reduce, top } = command.format;
    return { recordBytes, order, reduce, top };
  };
  assert.deepEqual(operation("COUNT in out -t, -k2,2 top=10"), {
    ...{ recordBytes: 0, order: ["-t,", "-k2,2"], reduce: "count", top: 10 },
  });
  assert.deepEqual(operation("SORT in out -ru"), {
    ...{ recordBytes: 0, order: ["-r"], reduce: "unique", top: undefined },
  });
  assert.deepEqual(operation("count in out record=8 key=0:2"), {
    ...{ recordBytes: 8, order: undefined, reduce: "count", top: undefined },
  });
  for (
    const [line, message] of [
      ["COUNT in out -u", /unique \(-u\) and count cannot be used together/],
      ["SORT in out top=0", /Cannot use "0" as top: expected a number from 1 to 10000$/],
      ["SORT in out top=10001", /Cannot use "10001" as top/],
      ["COUNT in out record=65533", /Cannot read "65533" as the size .* 1 to 65532 bytes/],
      ["COUNT in", /expected COUNT input output/],
    ] as const
  ) assert.throws(() => parseCommand(line), { name: "SyntaxError", message });
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
    submittedMs: 0,
    progress: [],
  };
  assert.deepEqual(statusLines({ jobs: [job], up: [] }), ['job 1 waiting "my file" out']);
});

Deno.test("historyLines() lists finished jobs with their times in UTC", () => {
  const files = { input: "my file", output: "out", format: DEFAULT_RECORD_FORMAT };
  const job: JobStatus = {
    id: 1,
    ...files,
    state: "waiting",
    result: "",
    submittedMs: 0,
    progress: [],
  };
  const done: JobStatus = { ...job, id: 2, state: "failed", result: "it is full", endedMs: 90_000 };
  assert.deepEqual(historyLines({ jobs: [{ ...done, startedMs: 1500 }, job], up: [] }), [
    "job 2 failed submitted=1970-01-01T00:00:00Z started=1970-01-01T00:00:01Z " +
    'ended=1970-01-01T00:01:30Z "my file" out it is full',
  ]);
  assert.doesNotMatch(historyLines({ jobs: [done], up: [] })[0]!, /started/);
});

Deno.test("parseCommand() reads the number of the job to retry", () => {
  assert.deepEqual(parseCommand("retry 7"), { word: "RETRY", job: 7 });
  for (const line of ["RETRY", "RETRY x", "RETRY -1", "RETRY 1 2"]) {
    assert.throws(() => parseCommand(line), /^SyntaxError: expected RETRY job$/, line);
  }
});

Deno.test("statusLines() shows what a job does besides sorting", () => {
  const job: JobStatus = {
    id: 7,
    input: "in",
    output: "out",
    format: { ...DEFAULT_RECORD_FORMAT, reduce: "count", top: 3 },
    state: "done",
    result: "records=9 written=3",
    submittedMs: 0,
    endedMs: 1000,
    progress: [],
  };
  const status = { jobs: [job], up: [0] };
  assert.deepEqual(statusLines(status), ["job 7 done in out count top=3 records=9 written=3"]);
  assert.match(historyLines(status)[0]!, / in out count top=3 records=9 written=3$/);
});
