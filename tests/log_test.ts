import assert from "node:assert/strict";
import { createLog, type LogFormat, type LogLevel } from "../lib/log.ts";

function collect(format: LogFormat, level: LogLevel = "info") {
  let written = "";
  const decoder = new TextDecoder();
  const options = {
    level,
    format,
    sink: (lines: Uint8Array) => void (written += decoder.decode(lines)),
  };
  return { log: createLog("part", options), options, written: () => written };
}

Deno.test("createLog() writes one line per event, as text and as JSON", () => {
  const text = collect("text");
  text.log.warn("Two\nlines", { client: 3, address: "127.0.0.1:1" });
  assert.match(
    text.written(),
    /^time=\S+ level=warning logger=part msg="Two\\nlines" client=3 address=127.0.0.1:1\n$/,
  );
  const json = collect("json");
  json.log.error("No", { client: 3 });
  const { level, message, logger, client } = JSON.parse(json.written());
  assert.deepEqual([level, message, logger, client], ["ERROR", "No", "part", 3]);
});

Deno.test("createLog() skips events below the level, which can change", () => {
  const { log, options, written } = collect("text", "warn");
  log.info("a");
  assert.equal(written(), "");
  options.level = "debug";
  log.debug("b");
  assert.match(written(), /msg=b/);
});

Deno.test("Log.frame(): head, text and tail form a line like any other", () => {
  for (const format of ["text", "json"] as const) {
    const { log, written } = collect(format);
    const { head, tail } = log.frame("info", "Message", { client: 1 }, "text")!;
    const escaped = JSON.stringify('a "b" \\').slice(1, -1);
    log.writeLines(new Uint8Array([...head, ...new TextEncoder().encode(escaped), ...tail]));
    if (format === "json") assert.equal(JSON.parse(written()).text, 'a "b" \\');
    else assert.match(written(), /client=1 text="a \\"b\\" \\\\"\n$/);
    assert.equal(collect(format, "error").log.frame("info", "x", {}, "text"), undefined);
  }
});

Deno.test("Log.frame() uses the current time and format each time", async () => {
  const { log, options } = collect("text");
  const fields = { client: 1 };
  const timeOf = (head: Uint8Array) => /\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(decode(head))![0];
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const first = decode(log.frame("info", "Message", fields, "text")!.head);
  const before = Date.now();
  while (Date.now() === before) await new Promise((resolve) => setTimeout(resolve, 1));
  const { head } = log.frame("info", "Message", fields, "text")!;
  const lag = Date.now() - Date.parse(timeOf(head));
  assert.ok(lag >= 0 && lag < 1000 && Date.parse(timeOf(head)) > before, decode(head));
  assert.equal(decode(head).replace(timeOf(head), ""), first.replace(/\d{4}-\S+Z/, ""));
  options.format = "json";
  assert.match(decode(log.frame("info", "Message", fields, "text")!.head), /^\{/);
  assert.match(decode(log.frame("info", "Other", fields, "text")!.head), /"Other"/);
});
