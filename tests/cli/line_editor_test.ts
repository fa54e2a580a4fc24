import assert from "node:assert/strict";
import fc from "fast-check";
import { LineEditor } from "../../lib/cli/line_editor.ts";

/** The part of a terminal that the editor uses: rows, written one after the other. */
class TestTerminal {
  rows = [""];
  readonly #decoder = new TextDecoder();

  write(bytes: Uint8Array): boolean {
    const [first = "", ...more] = this.#decoder.decode(bytes, { stream: true }).split("\n");
    this.rows[this.rows.length - 1] += first;
    this.rows.push(...more);
    this.rows = this.rows.map((row) => row.split("\r\x1b[K").at(-1)!);
    return true;
  }

  columns(): number {
    return 20;
  }
}

/** An editor with a keyboard and a terminal. */
function start() {
  const terminal = new TestTerminal();
  const editor = new LineEditor(terminal, "> ");
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

Deno.test("LineEditor: ignores cursor and function keys, even split across reads", async () => {
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
