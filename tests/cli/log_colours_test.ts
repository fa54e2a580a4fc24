// deno-lint-ignore-file no-control-regex -- colours are control characters
import assert from "node:assert/strict";
import { coloured, wantsColours } from "../../lib/cli/log_colours.ts";
import { createLog, type LogFormat } from "../../lib/log.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { HAS_SCRIPT, TestTerminal } from "../support/terminal.ts";

function logged(format: LogFormat): Uint8Array {
  const written: number[] = [];
  const sink = (lines: Uint8Array) => void written.push(...lines);
  const log = createLog("part", { level: "debug", format, sink });
  log.info("One", { text: "time=1 level=error \x1b[31m" });
  log.error("Two\ntime=2 level=error ");
  log.warn("Three");
  return new Uint8Array(written);
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("coloured() colours time and level of each line, and nothing that clients sent", () => {
  const plain = logged("text"), json = logged("json");
  const shown = decode(coloured(plain));
  const [one, two, three, ...rest] = shown.split("\n");
  assert.match(one!, /^\x1b\[2mtime=\S+\x1b\[0m level=info logger=part msg=One text=/);
  assert.match(two!, /^\x1b\[2mtime=\S+\x1b\[0m level=\x1b\[31merror\x1b\[0m logger=part msg=/);
  assert.match(three!, / level=\x1b\[33mwarning\x1b\[0m /);
  assert.deepEqual(rest, [""]);
  assert.equal(shown.replaceAll(/\x1b\[\d+m/g, ""), decode(plain));
  assert.deepEqual(coloured(json), json);
});

Deno.test("wantsColours(): only at a terminal, and not with NO_COLOR", () => {
  const terminal = { isTerminal: () => true }, pipe = { isTerminal: () => false };
  assert.equal(wantsColours(terminal, false), true);
  assert.equal(wantsColours(terminal, true), false);
  assert.equal(wantsColours(pipe, false), false);
});

Deno.test({
  name: "serve: the log has colours at a terminal",
  ignore: !HAS_SCRIPT,
  fn: async () => {
    await using directory = await makeTempDirectory();
    await Deno.writeTextFile(`${directory.path}/quartet.toml`, "");
    const off = ["echo", "kv", "task", "mesh", "admin"].map((name) =>
      `--set=${name}.enabled=false`
    );
    using terminal = new TestTerminal(
      ["serve", "--config=quartet.toml", ...off],
      directory.path,
      { env: { NO_COLOR: "" } },
    );
    const seen = await terminal.seen("msg=Ready");
    assert.match(seen, /\x1b\[2mtime=\S+\x1b\[0m level=info logger=daemon msg=Ready$/);
    await terminal.type("\x03");
    await terminal.ends();
  },
});
