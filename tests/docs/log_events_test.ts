import assert from "node:assert/strict";
import {
  daemonSources,
  EVENTS_PAGE,
  eventsIn,
  rowsOf,
  withEvents,
} from "../../tools/log_events.ts";
import { ROOT } from "../support/quartet.ts";

const TABLE = "| event | level | x |\n| --- | --- | --- |\n";

Deno.test("docs/operations.md has a row with a meaning for each event of the log", async () => {
  const rows = rowsOf(await Deno.readTextFile(ROOT + EVENTS_PAGE));
  const update = "run `deno run --allow-read --allow-write tools/log_events.ts`";
  const listed = rows.map(({ message, levels }) => `${message}: ${levels}`);
  const logged = [...eventsIn(daemonSources(ROOT))].map((event) => event.join(": "));
  assert.ok(logged.length > 100, `${logged.length} events`);
  assert.deepEqual(listed, logged, update);
  const unexplained = rows.filter(({ meaning }) => meaning === "").map(({ message }) => message);
  assert.deepEqual(unexplained, [], "these need a meaning");
});

Deno.test("eventsIn() finds the messages of all kinds of calls, with their levels", () => {
  const text = `this.#log.warn("A: a", about); log?.debug(\n  "B"\n); createLog("c", o).error("C")
    log.frame("info", "D", fields, "text"); const { position } = state; parser.error("no event");
    if (first) log.warn("E"); else log.debug("E");`;
  const pages = { path: "lib/admin/page/x.ts", text: 'log.warn("in a browser")' };
  assert.deepEqual([...eventsIn([{ path: "lib/a.ts", text }, pages])], [
    ["A: a", "warn"],
    ["B", "debug"],
    ["C", "error"],
    ["D", "info"],
    ["E", "debug, warn"],
  ]);
  const computed = { path: "lib/b.ts", text: "log.info(message)" };
  assert.throws(() => eventsIn([computed]), /lib\/b\.ts: "log\.info\(" needs a literal message/);
});

Deno.test("withEvents() keeps meanings, adds new events, and removes those that are gone", () => {
  const page = `before\n${TABLE}| \`A\` | info | Fine. |\n| \`B\` | info | Gone. |\n\nafter | b\n`;
  const events = new Map([["A", "warn"], ["C", "info"]]);
  const updated = withEvents(page, events);
  assert.deepEqual(rowsOf(updated), [
    { message: "A", levels: "warn", meaning: "Fine." },
    { message: "C", levels: "info", meaning: "" },
  ]);
  assert.match(updated, /^before\n\| event[\s\S]*\n\nafter \| b\n$/);
  assert.throws(() => rowsOf("no table"), /Cannot find the table/);
});
