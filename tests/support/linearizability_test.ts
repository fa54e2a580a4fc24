import assert from "node:assert/strict";
import fc from "fast-check";
import { apply, type Command, type Event, isLinearizable } from "./linearizability.ts";

function event(
  calledMs: number,
  repliedMs: number,
  command: Command,
  reply: string | undefined,
): Event {
  return { calledMs, repliedMs, command, reply };
}

const get: Command = { name: "GET" };
const incr: Command = { name: "INCR", by: 1 };
const put = (value: string): Command => ({ name: "PUT", value });

Deno.test("isLinearizable rejects histories that no store can produce", () => {
  const wrong: Record<string, Event[]> = {
    "a stale read": [
      event(0, 1, put("1"), "OK"),
      event(2, 3, put("2"), "OK"),
      event(4, 5, get, "VALUE 1"),
    ],
    "a write that was lost": [event(0, 1, put("1"), "OK"), event(2, 3, get, "NOT_FOUND")],
    "a lost update": [event(0, 5, incr, "VALUE 1"), event(1, 6, incr, "VALUE 1")],
    "an update done twice": [event(0, 1, incr, "VALUE 1"), event(2, 3, get, "VALUE 2")],
    "a value from nowhere": [event(0, 1, get, "VALUE 1")],
    "a read that goes back": [
      event(0, 9, put("1"), "OK"),
      event(1, 2, get, "VALUE 1"),
      event(3, 4, get, "NOT_FOUND"),
    ],
    "an open write done twice": [
      event(0, 1, incr, undefined),
      event(2, 3, incr, "VALUE 3"),
    ],
    "a write seen before its call": [event(0, 1, get, "VALUE 1"), event(2, 3, put("1"), undefined)],
    "a comparison that did not hold": [
      event(0, 1, put("1"), "OK"),
      event(2, 3, { name: "CAS", expected: "2", value: "3" }, "OK"),
    ],
    "a deletion that came back": [
      event(0, 1, put("1"), "OK"),
      event(2, 3, { name: "DELETE" }, "OK"),
      event(4, 5, get, "VALUE 1"),
    ],
  };
  for (const [what, history] of Object.entries(wrong)) {
    assert.equal(isLinearizable(history), false, what);
  }
});

Deno.test("isLinearizable lets an operation without a reply take effect at any time, or never", () => {
  const open = event(0, 1, put("open"), undefined);
  const first = event(2, 3, put("1"), "OK");
  for (const seen of ["VALUE open", "VALUE 1"]) {
    assert.ok(isLinearizable([open, first, event(4, 5, get, seen)]), seen);
  }
  assert.ok(isLinearizable([open, event(2, 3, get, "NOT_FOUND"), event(4, 5, get, "VALUE open")]));
  assert.ok(
    !isLinearizable([open, event(2, 3, get, "VALUE open"), event(4, 5, get, "NOT_FOUND")]),
  );
});

Deno.test("isLinearizable accepts every history of a sequential store", () => {
  const command = fc.oneof(
    fc.constant<Command>(get),
    fc.constant<Command>({ name: "DELETE" }),
    fc.constant<Command>(incr),
    fc.nat(3).map((value): Command => put(`${value}`)),
    fc.tuple(fc.nat(3), fc.nat(3)).map(([expected, value]): Command => ({
      name: "CAS",
      expected: `${expected}`,
      value: `${value}`,
    })),
  );
  const step = fc.record({ command, before: fc.nat(4), after: fc.nat(4), lost: fc.nat(9) });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    let state: string | undefined;
    const history = steps.map(({ command, before, after, lost }, moment) => {
      const next = apply(state, command);
      state = next.state;
      const reply = lost === 0 ? undefined : next.reply;
      return event(moment - before - 0.4, moment + after + 0.4, command, reply);
    });
    assert.ok(isLinearizable(history));
  }));
});

Deno.test("isLinearizable copes with many equal operations without a reply", () => {
  const open = Array.from({ length: 40 }, (_, at) => [
    event(at, at + 1, incr, undefined),
    event(at, at + 1, put("7"), undefined),
  ]).flat();
  const startMs = performance.now();
  assert.equal(isLinearizable([...open, event(300, 301, get, "VALUE x")]), false);
  assert.equal(isLinearizable([...open, event(300, 301, get, "VALUE 47")]), true);
  assert.ok(performance.now() - startMs < 10_000);
});
