import assert from "node:assert/strict";
import { parseArgs } from "@std/cli/parse-args";

/** The options with which the program parses its command lines. */
const PROGRAM = {
  string: ["_", "config", "set"],
  boolean: ["force"],
  collect: ["set"],
  "--": true,
};

const CASES: [
  name: string,
  words: string[],
  options: Parameters<typeof parseArgs>[1],
  want: unknown,
][] = [
  ["a value follows a space or an equals sign", ["--a", "x", "--b=y", "z"], {}, {
    a: "x",
    b: "y",
    _: ["z"],
  }],
  ["only the first equals sign separates", ["--set=a.b=c=d"], { string: ["set"] }, {
    set: "a.b=c=d",
    _: [],
  }],
  ["a switch takes no value", ["--force", "file"], PROGRAM, {
    force: true,
    set: [],
    _: ["file"],
    "--": [],
  }],
  ["a switch can be set to false", ["--force=false"], { boolean: ["force"] }, {
    force: false,
    _: [],
  }],
  ["a switch takes the word true or false", ["--force", "false", "x"], { boolean: ["force"] }, {
    force: false,
    _: ["x"],
  }],
  ["a missing switch is false", [], { boolean: ["force"] }, { force: false, _: [] }],
  ["the last of several values wins", ["--config", "a", "--config=b"], { string: ["config"] }, {
    config: "b",
    _: [],
  }],
  ["collected values keep their order", ["--set", "a=1", "x", "--set=b=2"], PROGRAM, {
    force: false,
    set: ["a=1", "b=2"],
    _: ["x"],
    "--": [],
  }],
  ["words after -- are not parsed", ["a", "--", "--config", "b", "--"], PROGRAM, {
    force: false,
    set: [],
    _: ["a"],
    "--": ["--config", "b", "--"],
  }],
  ["words after -- join the others by default", ["a", "--", "--b", "1"], {}, {
    _: ["a", "--b", "1"],
  }],
  ["strings remain strings", ["--config", "007", "0x10"], PROGRAM, {
    config: "007",
    force: false,
    set: [],
    _: ["0x10"],
    "--": [],
  }],
  [
    "a value that looks like a number becomes one",
    ["--n", "5", "--m=-1.5", "0x10", "1e3", "1a"],
    {},
    {
      n: 5,
      m: -1.5,
      _: [16, 1000, "1a"],
    },
  ],
  ["an option without its value is an empty string", ["--config", "--force"], PROGRAM, {
    config: "",
    force: true,
    set: [],
    _: [],
    "--": [],
  }],
  ["an option at the end without its value is an empty string", ["--config"], PROGRAM, {
    config: "",
    force: false,
    set: [],
    _: [],
    "--": [],
  }],
  ["an undeclared option without a value is true", ["--x", "--y"], {}, { x: true, y: true, _: [] }],
  ["a hyphen is a word", ["-", "x"], {}, { _: ["-", "x"] }],
  ["a value behind a space does not begin with a hyphen", ["--n", "-5"], { string: ["n"] }, {
    n: "",
    5: true,
    _: [],
  }],
  ["letters are switches, and the last one may take a value", ["-ab", "x", "-n5", "-o=y"], {}, {
    a: true,
    b: "x",
    n: 5,
    o: "y",
    _: [],
  }],
  ["aliases are set together", ["-c", "x"], { string: "config", alias: { config: "c" } }, {
    c: "x",
    config: "x",
    _: [],
  }],
  ["an alias of a switch takes no value", ["-f", "x"], {
    boolean: "force",
    alias: { force: ["f"] },
  }, {
    f: true,
    force: true,
    _: ["x"],
  }],
  ["defaults apply to missing options", ["--a=1"], { default: { a: 2, b: "3" } }, {
    a: 1,
    b: "3",
    _: [],
  }],
  ["--no- works for negatable options only", ["--no-a", "--no-b"], {
    boolean: ["a"],
    negatable: ["a"],
  }, { a: false, "no-b": true, _: [] }],
  ["stopEarly leaves everything after the first word alone", ["--a", "1", "run", "--b"], {
    stopEarly: true,
  }, { a: 1, _: ["run", "--b"] }],
  ["dots create nested objects", ["--a.b=1", "--a.c", "x"], {}, { a: { b: 1, c: "x" }, _: [] }],
];

for (const [name, words, options, want] of CASES) {
  Deno.test(`parseArgs(): ${name}`, () => {
    assert.deepEqual(parseArgs(words, options), want);
  });
}

Deno.test("parseArgs(): calls unknown for options and words, and drops those it refuses", () => {
  const asked: unknown[][] = [];
  const parsed = parseArgs(["--known", "a", "--unknown=b", "-x", "word"], {
    string: ["known"],
    collect: ["known"],
    unknown: (...what) => {
      asked.push(what.filter((part) => part !== undefined));
      return false;
    },
  });
  assert.deepEqual(asked, [["--unknown=b", "unknown", "b"], ["-x", "x", "word"]]);
  assert.deepEqual(parsed, { known: ["a"], _: [] });
});

Deno.test("parseArgs(): calls unknown for words without a key", () => {
  const asked: unknown[][] = [];
  parseArgs(["word"], { unknown: (...what) => asked.push(what) });
  assert.deepEqual(asked, [["word"]]);
});

Deno.test("parseArgs(): an error thrown by unknown reaches the caller", () => {
  const refuse = () => {
    throw new RangeError("no");
  };
  assert.throws(() => parseArgs(["--x"], { unknown: refuse }), RangeError);
});
