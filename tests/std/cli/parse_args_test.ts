import assert from "node:assert/strict";
import { parseArgs } from "@std/cli/parse-args";

/** How the program reads its command lines. */
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
  ["values stand behind a space or an equals sign", ["--a", "x", "--b=y", "z"], {}, {
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
  ["a switch can be said to be off", ["--force=false"], { boolean: ["force"] }, {
    force: false,
    _: [],
  }],
  ["a switch takes the word true or false", ["--force", "false", "x"], { boolean: ["force"] }, {
    force: false,
    _: ["x"],
  }],
  ["a switch that is not given is false", [], { boolean: ["force"] }, { force: false, _: [] }],
  ["the last of several values counts", ["--config", "a", "--config=b"], { string: ["config"] }, {
    config: "b",
    _: [],
  }],
  ["collected values come in order", ["--set", "a=1", "x", "--set=b=2"], PROGRAM, {
    force: false,
    set: ["a=1", "b=2"],
    _: ["x"],
    "--": [],
  }],
  ["what follows -- is left alone", ["a", "--", "--config", "b", "--"], PROGRAM, {
    force: false,
    set: [],
    _: ["a"],
    "--": ["--config", "b", "--"],
  }],
  ["what follows -- joins the words by default", ["a", "--", "--b", "1"], {}, {
    _: ["a", "--b", "1"],
  }],
  ["texts stay texts", ["--config", "007", "0x10"], PROGRAM, {
    config: "007",
    force: false,
    set: [],
    _: ["0x10"],
    "--": [],
  }],
  ["what looks like a number becomes one", ["--n", "5", "--m=-1.5", "0x10", "1e3", "1a"], {}, {
    n: 5,
    m: -1.5,
    _: [16, 1000, "1a"],
  }],
  ["an option without its value is an empty text", ["--config", "--force"], PROGRAM, {
    config: "",
    force: true,
    set: [],
    _: [],
    "--": [],
  }],
  ["an option at the end without its value is an empty text", ["--config"], PROGRAM, {
    config: "",
    force: false,
    set: [],
    _: [],
    "--": [],
  }],
  ["an option that may be a switch is true", ["--x", "--y"], {}, { x: true, y: true, _: [] }],
  ["a hyphen is a word", ["-", "x"], {}, { _: ["-", "x"] }],
  ["a value behind a space does not begin with a hyphen", ["--n", "-5"], { string: ["n"] }, {
    n: "",
    5: true,
    _: [],
  }],
  ["letters are switches, the last one may have a value", ["-ab", "x", "-n5", "-o=y"], {}, {
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
  ["defaults fill what is not given", ["--a=1"], { default: { a: 2, b: "3" } }, {
    a: 1,
    b: "3",
    _: [],
  }],
  ["--no- works for what can be negated, and only there", ["--no-a", "--no-b"], {
    boolean: ["a"],
    negatable: ["a"],
  }, { a: false, "no-b": true, _: [] }],
  ["everything behind the first word is left alone if asked", ["--a", "1", "run", "--b"], {
    stopEarly: true,
  }, { a: 1, _: ["run", "--b"] }],
  ["dots lead into objects", ["--a.b=1", "--a.c", "x"], {}, { a: { b: 1, c: "x" }, _: [] }],
];

for (const [name, words, options, want] of CASES) {
  Deno.test(`parseArgs(): ${name}`, () => {
    assert.deepEqual(parseArgs(words, options), want);
  });
}

Deno.test("parseArgs(): asks about unknown options and about words, and leaves out what is refused", () => {
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

Deno.test("parseArgs(): asks about words without a key", () => {
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
