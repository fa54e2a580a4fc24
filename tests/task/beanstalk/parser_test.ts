import assert from "node:assert/strict";
import fc from "fast-check";
import type { BeanstalkCommand } from "../../../lib/task/beanstalk/command.ts";
import { CommandParser, type Input } from "../../../lib/task/beanstalk/parser.ts";

const MAX_JOB_BYTES = 100;

/** An input that the test fills. */
class TestInput implements Input {
  bytes = new Uint8Array(0);
  start = 0;
  end = 0;

  add(text: string): void {
    const more = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const unread = this.bytes.subarray(this.start, this.end);
    // Stale bytes follow the end, as in a buffer that is reused.
    const bytes = new Uint8Array(unread.length + more.length + 3).fill(0x0d);
    bytes.set(unread);
    bytes.set(more, unread.length);
    this.bytes = bytes;
    this.start = 0;
    this.end = unread.length + more.length;
  }

  consume(count: number): void {
    this.start += count;
    assert(this.start <= this.end);
  }
}

/** Parses pieces of input; returns all commands and the number of bytes left over. */
function parse(...pieces: string[]): { commands: BeanstalkCommand[]; left: number } {
  const parser = new CommandParser({ maxJobBytes: MAX_JOB_BYTES });
  const input = new TestInput();
  const commands: BeanstalkCommand[] = [];
  for (const piece of pieces) {
    input.add(piece);
    for (let command; (command = parser.next(input)) !== null;) commands.push(command);
  }
  return { commands, left: input.end - input.start };
}

/** Parses a single command. */
function one(text: string): BeanstalkCommand {
  const { commands, left } = parse(text);
  assert.equal(commands.length, 1, JSON.stringify(commands));
  assert.equal(left, 0);
  return commands[0]!;
}

const BAD_FORMAT = { kind: "mistake", reply: "BAD_FORMAT" };
const UNKNOWN_COMMAND = { kind: "mistake", reply: "UNKNOWN_COMMAND" };
const SPEC = { priority: 1, delayMs: 2000, ttrMs: 3000, body: "abcd" };
const LONGEST_NAME = "n".repeat(200);

function badOption(option: string): BeanstalkCommand {
  return { kind: "mistake", reply: "BAD_OPTION", option };
}

const GOOD: [string, BeanstalkCommand][] = [
  ["put 1 2 3 4\r\nabcd\r\n", { kind: "put", spec: SPEC }],
  ["put    1  2 3   4\r\nabcd\r\n", { kind: "put", spec: SPEC }],
  ["put 01 002 3 4\r\nabcd\r\n", { kind: "put", spec: SPEC }],
  ["put 1 2 3 4\r\n\r\n\r\n\r\n", { kind: "put", spec: { ...SPEC, body: "\r\n\r\n" } }],
  ["put 1 2 3 4\r\n\0\xff\n\r\r\n", { kind: "put", spec: { ...SPEC, body: "\0\xff\n\r" } }],
  [
    "put 4294967295 4294967295 4294967295 0\r\n\r\n",
    {
      kind: "put",
      spec: {
        priority: 4294967295,
        delayMs: 4294967295000,
        ttrMs: 4294967295000,
        body: "",
      },
    },
  ],
  ["put-unique k/1 1 2 3 4\r\nabcd\r\n", { kind: "put-unique", key: "k/1", spec: SPEC }],
  [
    "put-batch 2 30\r\n1 2 3 4\r\nabcd\r\n1 2 3 4\r\nabcd\r\n\r\n",
    { kind: "put-batch", specs: [SPEC, SPEC] },
  ],
  ["put-job 1 2 3 4\r\nabcd\r\n", { kind: "put-job", spec: { ...SPEC, options: {} } }],
  [
    "put-job 1 2 3 4 attempts=5  unique=k/1 after=1,2 \r\nabcd\r\n",
    {
      kind: "put-job",
      spec: { ...SPEC, options: { attempts: 5, unique: { key: "k/1" }, after: [1, 2] } },
    },
  ],
  ["put-job 1 2 3 4 colour=red\r\nabcd\r\n", badOption("colour")],
  ["put-job 1 2 3 4 red\r\nabcd\r\n", badOption("")],
  ["put-job 1 2 3 4attempts=1\r\n", BAD_FORMAT as BeanstalkCommand],
  ["release-held 7\r\n", { kind: "release-held", id: 7 }],
  ["cancel 7\r\n", { kind: "cancel", id: 7 }],
  [
    "list-jobs x ready\r\n",
    { kind: "list-jobs", page: { tube: "x", state: "ready", from: 0, count: 100 } },
  ],
  [
    "list-jobs x buried 1000 7\r\n",
    { kind: "list-jobs", page: { tube: "x", state: "buried", from: 1000, count: 7 } },
  ],
  ["list-workers\r\n", { kind: "list-workers", from: 0, count: 100 }],
  ["list-workers 50 0\r\n", { kind: "list-workers", from: 50, count: 0 }],
  ["quiet-worker 3\r\n", { kind: "quiet-worker", worker: 3 }],
  ["resume-worker 3\r\n", { kind: "resume-worker", worker: 3 }],
  ["flush-tube mail\r\n", { kind: "flush-tube", tube: "mail", state: undefined }],
  ["flush-tube mail buried\r\n", { kind: "flush-tube", tube: "mail", state: "buried" }],
  ["move 12 mail\r\n", { kind: "move", from: 12, tube: "mail" }],
  ["move 99999999999999999999 mail\r\n", BAD_FORMAT as BeanstalkCommand],
  ["move 12a mail\r\n", { kind: "move", from: "12a", tube: "mail" }],
  ["use x_y\r\n", { kind: "use", tube: "x_y" }],
  [`use ${LONGEST_NAME}\r\n`, { kind: "use", tube: LONGEST_NAME }],
  ["watch a-b+/;.$_()0\r\n", { kind: "watch", tube: "a-b+/;.$_()0" }],
  ["ignore t\r\n", { kind: "ignore", tube: "t" }],
  ["reserve\r\n", { kind: "reserve" }],
  ["reserve-with-timeout 7\r\n", { kind: "reserve-with-timeout", timeoutMs: 7000 }],
  ["reserve-job 7\r\n", { kind: "reserve-job", id: 7 }],
  ["reserve-batch 7\r\n", { kind: "reserve-batch", max: 7, timeoutMs: Infinity }],
  ["reserve-batch 7 0\r\n", { kind: "reserve-batch", max: 7, timeoutMs: 0 }],
  ["delete 18446744073709551615\r\n", { kind: "delete", id: 18446744073709551615 }],
  ["release 1 2 3\r\n", { kind: "release", id: 1, priority: 2, delayMs: 3000 }],
  ["bury 1 2\r\n", { kind: "bury", id: 1, priority: 2 }],
  ["touch  1\r\n", { kind: "touch", id: 1 }],
  ["done 1 2\r\nok\r\n", { kind: "done", id: 1, body: "ok" }],
  ["fail 1 0\r\n\r\n", { kind: "fail", id: 1, body: "" }],
  ["result 9007199254740991\r\n", { kind: "result", id: 9007199254740991 }],
  ["wait 1 2\r\n", { kind: "wait", id: 1, timeoutMs: 2000, progress: false }],
  ["wait 1 2 progress\r\n", { kind: "wait", id: 1, timeoutMs: 2000, progress: true }],
  ["progress 1 4\r\nhalf\r\n", { kind: "progress", id: 1, body: "half" }],
  ["kick 10\r\n", { kind: "kick", bound: 10 }],
  ["kick-job 10\r\n", { kind: "kick-job", id: 10 }],
  ["peek 1\r\n", { kind: "peek", id: 1 }],
  ["peek-ready\r\n", { kind: "peek-ready" }],
  ["peek-delayed\r\n", { kind: "peek-delayed" }],
  ["peek-buried\r\n", { kind: "peek-buried" }],
  ["stats\r\n", { kind: "stats" }],
  ["stats-job 1\r\n", { kind: "stats-job", id: 1 }],
  ["stats-tube t\r\n", { kind: "stats-tube", tube: "t" }],
  ["list-tubes\r\n", { kind: "list-tubes" }],
  ["list-tube-used\r\n", { kind: "list-tube-used" }],
  ["list-tubes-watched\r\n", { kind: "list-tubes-watched" }],
  ["pause-tube t 5\r\n", { kind: "pause-tube", tube: "t", pauseMs: 5000 }],
  ["pause-tube   t   5\r\n", { kind: "pause-tube", tube: "t", pauseMs: 5000 }],
  ["quit\r\n", { kind: "quit" }],
  ["a lone \n and a lone \r do not end this line\r\n", UNKNOWN_COMMAND as BeanstalkCommand],
];

Deno.test("CommandParser: parses every command", () => {
  for (const [text, command] of GOOD) assert.deepEqual(one(text), command, text);
});

Deno.test("CommandParser: parses the same commands however the input is cut", () => {
  const all = GOOD.map(([text]) => text).join("") +
    `put 1 1 1 101\r\n${"x".repeat(101)}\r\n` + "y".repeat(500) + "\r\nput 0 0 0 1\r\nxyzuse a\r\n";
  const whole = parse(all);
  assert.equal(whole.left, 0);
  for (let cut = 1; cut < all.length; cut++) {
    assert.deepEqual(parse(all.slice(0, cut), all.slice(cut)), whole, `cut at ${cut}`);
  }
  assert.deepEqual(parse(...all), whole, "byte by byte");
});

Deno.test("CommandParser: a malformed line is BAD_FORMAT, and only that line is lost", () => {
  const lines = [
    ...["put 1 2 3", "put 1 2 3 4 ", "put 1 2 3 4b", "put -1 2 3 4", "put 1 -1 3 4"],
    ...["put 4294967296 2 3 4", "put 1 2 3 4294967296", "put 1\t2 3 4", "put +1 2 3 4", "put "],
    ...[
      "put 1 2 3 --!@#$%^&&**()0b",
      "put 1.5 2 3 4",
      "put-unique 1 2 3 4",
      "put-unique -k 1 2 3 4",
    ],
    ...["put-batch 0 10", "put-batch 1001 10", "put-batch 1", "reserved", "reserve ", "reserve 1"],
    ...[
      "reserve-with-timeout x",
      "reserve-with-timeout -1",
      "reserve-with-timeout ",
      "reserve-batch 0",
    ],
    ...["reserve-job ", "peek-readyx", "peek-ready ", "peek ", "peek foo111", "peek 111foo"],
    ...["peek 18446744073709551616", "peek 184467440737095516160000000000000000000000000000"],
    ...["delete 1 2", "delete -1", "release 1 2", "release 1 2 3 4", "release 1 abc 1"],
    ...["release 1 1 abc", "bury 111", "bury 111 222abc", "bury 111abc 2", "touch !@#!@#"],
    ...["kick x", "kick 1x", "kick -1", "kick-job 111a", "stats-job 111 222", "stats-tube -t"],
    ...["use  a", "use -a", "use ", "use a b", "use a\xe9", `use ${LONGEST_NAME}n`, "watch a,b"],
    ...[
      "pause-tube t",
      "pause-tube t x",
      "pause-tube -t 1",
      "statsx",
      "list-tubesx",
      "list-tube-used ",
    ],
    ...["list-jobs x", "list-jobs x done", "list-jobs ready", "list-jobs x ready 1001"],
    ...["list-jobs x ready 0 101", "list-jobs x ready 0 5 6", "list-jobs x ready -1"],
    ...["list-workers5", "list-workers ", "list-workers 0 101", "list-workers x"],
    ...["quiet-worker x", "quiet-worker 1 2", "resume-worker ", "resume-worker -1"],
    ...["wait 1 2 ", "wait 1 2progress", "wait 1 2 progres", "wait 1 2 progress ", "progress 1"],
    ...["us\0e a", "\0", "wait 1", "done 1", "done x 1", "result x"],
  ];
  for (const line of lines) {
    const { commands, left } = parse(`${line}\r\nuse next\r\n`);
    assert.deepEqual(commands, [BAD_FORMAT, { kind: "use", tube: "next" }], line);
    assert.equal(left, 0);
  }
});

Deno.test("CommandParser: a line without a known word is UNKNOWN_COMMAND", () => {
  for (
    const line of ["nont10knowncommand", "", " put 1 1 1 1", "PUT 1 1 1 1", "delete", "use", "put"]
  ) {
    assert.deepEqual(one(`${line}\r\n`), UNKNOWN_COMMAND, line);
  }
});

Deno.test("CommandParser: a line may have 224 bytes; a longer one is skipped to its end", () => {
  const longest = `use ${"n".repeat(200)}`;
  const padded = `kick ${" ".repeat(224 - 2 - 6)}1\r\n`;
  assert.equal(padded.length, 224);
  assert.deepEqual(one(padded), { kind: "kick", bound: 1 });
  assert.deepEqual(one(padded.replace("kick ", "kick  ")), BAD_FORMAT);
  assert.deepEqual(one(`${"a".repeat(250)}\r\n`), BAD_FORMAT);
  assert.deepEqual(parse(`${"a".repeat(10_000)}\r`, `\n${longest}\r\n`).commands, [
    BAD_FORMAT,
    { kind: "use", tube: "n".repeat(200) },
  ]);
});

Deno.test("CommandParser: a line of put-job may have 4096 bytes, and those of no other command", () => {
  const ids = Array.from({ length: 64 }, (_, index) => 2 ** 53 - 1 - index);
  const line = `put-job 1 2 3 4 after=${ids}`;
  const padded = `${line}${" ".repeat(4094 - line.length)}\r\n`;
  assert.equal(padded.length, 4096);
  const command = { kind: "put-job", spec: { ...SPEC, options: { after: ids } } };
  assert.deepEqual(one(`${padded}abcd\r\n`), command);
  for (const cut of [7, 8, 9, 223, 224, 225, 4094, 4095, 4096]) {
    assert.deepEqual(parse(padded.slice(0, cut), `${padded.slice(cut)}abcd\r\n`).commands, [
      command,
    ]);
  }
  assert.deepEqual(one(padded.replace("\r", " \r")), BAD_FORMAT);
  assert.deepEqual(one(padded.replace("put-job", "put-bat")), BAD_FORMAT);
});

Deno.test("CommandParser: the body behind a bad option is skipped, and one that is too big comes first", () => {
  const { commands } = parse("put-job 1 2 3 6 x=1\r\nquit\r\n\r\nput-job 1 2 3 101 x=1\r\n");
  assert.deepEqual(commands, [badOption("x")]);
  assert.deepEqual(one(`put-job 1 2 3 101 x=1\r\n${"d".repeat(101)}\r\n`), {
    kind: "mistake",
    reply: "JOB_TOO_BIG",
  });
});

Deno.test("CommandParser: an endless line is not kept", () => {
  const parser = new CommandParser({ maxJobBytes: MAX_JOB_BYTES });
  const input = new TestInput();
  for (let round = 0; round < 1000; round++) {
    input.add("z".repeat(1000));
    assert.equal(parser.next(input), null);
    assert(input.end - input.start < 224);
  }
});

Deno.test("CommandParser: a body that is too big is skipped with its CRLF", () => {
  const big = `put 0 0 0 101\r\n${"d".repeat(101)}\r\n`;
  const { commands } = parse(`${big}put 0 0 0 1\r\nx\r\n`);
  assert.deepEqual(commands.map((command) => "reply" in command ? command.reply : command.kind), [
    "JOB_TOO_BIG",
    "put",
  ]);
  // The skipped bytes are counted, not parsed.
  const { commands: rest } = parse(
    "put 0 0 0 101 x\r\ndelete 9\r\n" + "-".repeat(91) + "\r\nquit\r\n",
  );
  assert.deepEqual(rest[0], { kind: "mistake", reply: "JOB_TOO_BIG" });
});

Deno.test("CommandParser: a body that is refused is not buffered", () => {
  const parser = new CommandParser({ maxJobBytes: MAX_JOB_BYTES });
  const input = new TestInput();
  input.add("put 0 0 0 1073741825\r\n");
  for (let sent = 0; sent < 1000; sent++) {
    assert.equal(parser.next(input), null);
    assert.equal(input.end - input.start, 0);
    input.add("a".repeat(1000));
  }
});

Deno.test("CommandParser: a body without a CRLF after it is EXPECTED_CRLF", () => {
  const { commands } = parse("put 0 0 0 2\r\nabcduse t\r\n");
  assert.deepEqual(commands, [
    { kind: "mistake", reply: "EXPECTED_CRLF" },
    { kind: "use", tube: "t" },
  ]);
});

Deno.test("CommandParser: a batch with one malformed job is refused as a whole", () => {
  const batch = (count: number, body: string) => `put-batch ${count} ${body.length}\r\n${body}\r\n`;
  const job = "1 2 3 4\r\nabcd\r\n";
  assert.equal(one(batch(2, job + job)).kind, "put-batch");
  assert.deepEqual(one(batch(1, job + job)), BAD_FORMAT);
  assert.deepEqual(one(batch(3, job + job)), BAD_FORMAT);
  assert.deepEqual(one(batch(1, "1 2 3\r\nabcd\r\n")), BAD_FORMAT);
  assert.deepEqual(one(batch(1, "1 2 3 5\r\nabcd\r\n")), {
    kind: "mistake",
    reply: "EXPECTED_CRLF",
  });
  // The end of the batch is not the end of its last job.
  assert.deepEqual(one(batch(1, job.slice(0, -2))), { kind: "mistake", reply: "EXPECTED_CRLF" });
  assert.deepEqual(one(batch(1, "1 2 3 0\r\n")), { kind: "mistake", reply: "EXPECTED_CRLF" });
  const big = `1 2 3 101\r\n${"x".repeat(101)}\r\n`;
  assert.deepEqual(one(batch(2, job + big)), { kind: "mistake", reply: "JOB_TOO_BIG" });
});

Deno.test("CommandParser: any bytes, cut anywhere, give the same commands and never throw", () => {
  const piece = fc.oneof(
    fc.constantFrom(...GOOD.map(([text]) => text)),
    fc.constantFrom("put ", "put 1 1 1 3\r\n", "\r\n", "\r", "\n", "reserve", " ", "0", "99", "-"),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => String.fromCharCode(...bytes)),
  );
  const input = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  fc.assert(fc.property(input, fc.array(fc.nat(1000), { maxLength: 8 }), (text, at) => {
    const cuts = at.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b);
    const pieces = [...cuts, text.length].map((cut, index) =>
      text.slice(cuts[index - 1] ?? 0, cut)
    );
    assert.deepEqual(parse(...pieces), parse(text));
  }));
});
