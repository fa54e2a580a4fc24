import assert from "node:assert/strict";
import { parseLogLine } from "../../../lib/admin/page/log_line.ts";
import { createLog, type LogFormat } from "../../../lib/log.ts";

Deno.test("parseLogLine() parses what the log writes, in both formats", () => {
  for (const format of ["text", "json"] satisfies LogFormat[]) {
    let line = "";
    const sink = (bytes: Uint8Array) => line = new TextDecoder().decode(bytes).trimEnd();
    const log = createLog("kv", { level: "debug", format, sink });
    log.warn('A "strange" thing', { client: 7, text: "two words" });
    const { timeMs, level, part, message, rest } = parseLogLine(line);
    assert.ok(Math.abs(timeMs! - Date.now()) < 60_000, line);
    assert.deepEqual([level, part, message], ["warn", "kv", 'A "strange" thing']);
    assert.equal(rest, "client=7 text=two words");
  }
  assert.equal(parseLogLine("no format at all").message, "no format at all");
});
