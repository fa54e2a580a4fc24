import assert from "node:assert/strict";
import fc from "fast-check";
import { type Complete, LineEditor } from "../../lib/cli/line_editor.ts";
import { LineHistory } from "../../lib/cli/line_history.ts";

/** The part of a terminal that the editor uses: rows, written one after the other. */
class TestTerminal {
  rows = [""];
  readonly #decoder = new TextDecoder();

  write(bytes: Uint8Array): boolean {
    const [first = "", ...more] = this.#decoder.decode(bytes, { stream: true }).split("\n");
    this.rows[this.rows.length - 1] += first;
    this.rows.push(...more);
    this.rows = this.rows.map((row) => row.split("\r\x1b[K").at(-1)!);
    // The cursor goes back over what is behind it: "|" stands for its place.
    // deno-lint-ignore no-control-regex
    const [, text, back] = /^(.*)\x1b\[(\d+)D$/.exec(this.rows.at(-1)!) ?? [];
    if (text !== undefined) {
      const at = text.length - Number(back);
      this.rows[this.rows.length - 1] = `${text.slice(0, at)}|${text.slice(at)}`;
    }
    return true;
  }

  columns(): number {
    return 20;
  }
}

/** An editor with a keyboard and a terminal. */
function start(complete?: Complete) {
  const terminal = new TestTerminal();
  const editor = new LineEditor(terminal, "> ", complete);
  const keyboard = editor.keys.writable.getWriter();
  const typed: string[] = [];
  const ended = editor.keys.readable.pipeTo(
    new WritableStream({ write: (text) => void typed.push(text) }),
  );
  const type = (keys: string) => keyboard.write(keys).catch(() => {});
  return { terminal, editor, keyboard, typed, ended, type };
}

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("LineEditor: shows the line being typed after the prompt until Enter", async () => {
  const { terminal, keyboard, typed, ended, type } = start();
  await type("hel");
  assert.deepEqual(terminal.rows, ["> hel"]);
  assert.deepEqual(typed, []);
  await type("lo\r");
  assert.deepEqual(terminal.rows, ["> hello", "> "]);
  await keyboard.close();
  await ended;
  assert.deepEqual(typed, ["hello\n"]);
});

Deno.test("LineEditor: shows output above the prompt and keeps the unfinished line", async () => {
  const { terminal, editor, type } = start();
  await type("half a l");
  editor.show(encode("first\nsecond\n"));
  assert.deepEqual(terminal.rows, ["first", "second", "> half a l"]);
  await type("ine");
  assert.deepEqual(terminal.rows, ["first", "second", "> half a line"]);
});

Deno.test("LineEditor: draws no prompt in the middle of a line of output", async () => {
  const { terminal, editor, type } = start();
  await type("x");
  editor.show(encode("one li"));
  assert.deepEqual(terminal.rows, ["one li"]);
  editor.show(encode("ne\n"));
  assert.deepEqual(terminal.rows, ["one line", "> x"]);
  editor.show(encode("unfinished"));
  await type("y");
  assert.deepEqual(terminal.rows, ["one line", "unfinished", "> xy"]);
});

Deno.test("LineEditor: shows bytes that are not UTF-8 unchanged", () => {
  const written: number[] = [];
  const write = (bytes: Uint8Array) => written.push(...bytes) > 0;
  const editor = new LineEditor({ write, columns: () => 20 }, "");
  editor.show(new Uint8Array([0xff, 0, 10]));
  assert.match(written.join(), /255,0,10/);
});

Deno.test("LineEditor: backspace, Ctrl-W and Ctrl-U erase", async () => {
  const { terminal, type } = start();
  const shown = () => terminal.rows.at(-1);
  await type("two words é\u{1F600}\x7f\b");
  assert.equal(shown(), "> two words ");
  await type("\x17");
  assert.equal(shown(), "> two ");
  await type("\x15");
  assert.equal(shown(), "> ");
  await type("\x7f\x17\x15");
  assert.equal(shown(), "> ");
});

Deno.test("LineEditor: ignores keys that have nothing to do, even split across reads", async () => {
  const { terminal, type } = start();
  for (const key of ["\x1b[A", "\x1b[1;5C", "\x1bOP", "\x1b[15~", "\x1bx", "\t", "\x07"]) {
    await type(key);
    for (const piece of key) await type(piece);
  }
  await type("a");
  assert.equal(terminal.rows.at(-1), "> a");
});

Deno.test("LineEditor: shows the end of a long line in one row, even with wide characters", async () => {
  const { terminal, typed, type } = start();
  const line = `${"漢字".repeat(20)}0123456789`;
  await type(line);
  assert.deepEqual(terminal.rows, ["> 漢字漢0123456789".replace("漢字漢", "字漢字")]);
  await type("\n");
  assert.deepEqual(typed, [`${line}\n`]);
});

Deno.test("LineEditor: Ctrl-D ends the input on an empty line only, Ctrl-C always", async () => {
  for (const keys of [["a", "\x04", "\x15", "\x04"], ["a", "\x03"]]) {
    const { typed, ended, type } = start();
    for (const key of keys) await type(key);
    await ended;
    assert.deepEqual(typed, []);
  }
});

Deno.test("LineEditor: limits a line to 65536 characters", async () => {
  const { typed, type } = start();
  await type(`${"x".repeat(65_536)}yz\n`);
  assert.deepEqual(typed, [`${"x".repeat(65_536)}\n`]);
});

Deno.test("LineEditor: turns printable keys into lines, however they are split", async () => {
  const key = fc.constantFrom("a", "é", "漢", "\u{1F600}", " ", "\r");
  await fc.assert(fc.asyncProperty(fc.array(fc.array(key)), async (pieces) => {
    const { keyboard, typed, ended, type } = start();
    for (const piece of pieces) await type(piece.join(""));
    await keyboard.close();
    await ended;
    const all = pieces.flat().join("").replaceAll("\r", "\n");
    assert.equal(typed.join(""), all.slice(0, all.lastIndexOf("\n") + 1));
  }));
});

const LEFT = "\x1b[D", RIGHT = "\x1b[C", UP = "\x1b[A", DOWN = "\x1bOB";
const HOME = "\x1b[H",
  END = "\x1b[4~",
  DELETE = "\x1b[3~",
  WORD_LEFT = "\x1b[1;5D",
  ALT_F = "\x1bf";

Deno.test("LineEditor: the cursor moves, and keys type and erase at its place", async () => {
  const steps: [keys: string, shown: string][] = [
    ["one tree", "one tree"],
    [WORD_LEFT, "one |tree"],
    ["\x1b[", "one |tree"],
    ["D", "one| tree"],
    ["s", "ones| tree"],
    ["\x7f", "one| tree"],
    [ALT_F, "one tree"],
    [HOME + RIGHT, "o|ne tree"],
    [DELETE, "o|e tree"],
    [LEFT + LEFT + "\x7f\x17", "|oe tree"],
    ["\x05" + RIGHT + DELETE + "\x0b", "oe tree"],
    [LEFT + LEFT + "\x0b", "oe tr"],
    [HOME + END + LEFT + "\x17", "oe |r"],
    ["\x02\x15", "| r"],
    ["\x06\x01\x1b[15~\x1bx", "| r"],
  ];
  const { terminal, typed, type } = start();
  for (const [keys, shown] of steps) {
    await type(keys);
    assert.equal(terminal.rows.at(-1), `> ${shown}`);
  }
  await type("x\r");
  assert.deepEqual(terminal.rows, ["> x| r", "> "]);
  assert.deepEqual(typed, ["x r\n"]);
});

Deno.test("LineEditor: the cursor steps over a letter and the marks on it", async () => {
  const { typed, type } = start();
  await type(`ae\u0301b${LEFT}${LEFT}`);
  await type("x");
  await type(`${DELETE}\r`);
  assert.deepEqual(typed, ["axb\n"]);
});

Deno.test("LineEditor: a long line is shown around the cursor, in one row", async () => {
  const { terminal, type } = start();
  await type("abcdefghijklmnopqrstuvwxyz");
  assert.equal(terminal.rows.at(-1), "> jklmnopqrstuvwxyz");
  await type(LEFT.repeat(16));
  assert.equal(terminal.rows.at(-1), "> cdefghij|klmnopqrs");
  await type("1");
  assert.equal(terminal.rows.at(-1), "> defghij1|klmnopqrs");
  await type(HOME);
  assert.equal(terminal.rows.at(-1), "> |abcdefghij1klmnop");
});

Deno.test("LineEditor: cursor keys bring back the lines before, and the one being typed", async () => {
  const { terminal, typed, type } = start();
  await type("first\rsecond\rsecond\r  \rdraft");
  const seen: string[] = [];
  for (const key of [UP, "\x10", UP, UP, DOWN, "\x0e", DOWN, DOWN]) {
    await type(key);
    seen.push(terminal.rows.at(-1)!.slice(2));
  }
  const order = ["second", "first", "first", "first", "second", "draft", "draft", "draft"];
  assert.deepEqual(seen, order);
  await type(`${UP}${UP}!\r${UP}\r`);
  assert.deepEqual(typed.slice(4), ["first!\n", "first!\n"]);
});

Deno.test("LineEditor: Tab completes a word, or shows those that begin like it", async () => {
  const words = ["peek", "peek-ready", "put"];
  const complete = (typed: string) => words.filter((word) => word.startsWith(typed));
  const { terminal, editor, type } = start(complete);
  await type("pe\t");
  assert.deepEqual(terminal.rows, ["> peek"]);
  await type("\t");
  assert.deepEqual(terminal.rows, ["peek  peek-ready", "> peek"]);
  await type("-\t");
  assert.deepEqual(terminal.rows.slice(1), ["> peek-ready "]);
  await type(`\t\x15 1${HOME}pu\t`);
  assert.deepEqual(terminal.rows.slice(1), ["> put | 1"]);
  await type("\x15\x0bpu\tt");
  assert.deepEqual(terminal.rows.slice(1), ["> put"], "pasted tabs do not complete");
  editor.show(encode("half"));
  await type("\x15p");
  editor.show(encode("half"));
  await type("\t");
  assert.deepEqual(terminal.rows.slice(-4), ["half", "half", "peek  peek-ready  put", "> p"]);
});

Deno.test("LineHistory: remembers the last 500 lines", () => {
  const history = new LineHistory();
  for (let i = 0; i <= 600; i++) history.add(`${i}`);
  let oldest = "", count = 0;
  for (let line; (line = history.older("")) !== undefined; count++) oldest = line;
  assert.equal(count, 500);
  assert.equal(oldest, "101");
});
