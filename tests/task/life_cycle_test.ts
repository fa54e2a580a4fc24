import assert from "node:assert/strict";
import fc from "fast-check";
import {
  allowedTtrMs,
  applyEvent,
  FAILURE_BACKOFF_MS,
  givenBack,
  isPossible,
  type JobEvent,
  type JobFacts,
  MAX_REASON_LENGTH,
  MIN_TTR_MS,
  REASONS,
  reasonText,
} from "../../lib/task/life_cycle.ts";
import type { JobState, TubeRules } from "../../lib/task/queue.ts";

const NOW = 1_700_000_000_000;
const PLAIN: TubeRules = {
  maxAttempts: 0,
  backoffMs: 0,
  maxBackoffMs: 600_000,
  maxReserved: 0,
  rate: null,
  deadLetter: "",
};

function job(changes: Partial<JobFacts> = {}): JobFacts {
  return {
    state: "reserved",
    priority: 10,
    delayMs: 500,
    ttrMs: 60_000,
    dueAt: NOW + 1,
    timeouts: 1,
    releases: 2,
    buries: 3,
    kicks: 4,
    attempts: 5,
    reason: "before",
    death: null,
    ...changes,
  };
}

const FAIL: JobEvent = { kind: "fail", reason: "no bread" };
const RELEASE: JobEvent = { kind: "release", priority: 7, delayMs: 0 };
const BACKOFF = { backoffMs: 1000, maxBackoffMs: 10_000 };

const READY = { state: "ready", dueAt: 0 } as const;
const BURIED = { state: "buried", dueAt: NOW, buries: 4 } as const;

const DEAD_LETTER = { maxAttempts: 5, deadLetter: "dead" };

function delayed(delayMs: number) {
  return { state: "delayed", dueAt: NOW + delayMs } as const;
}

/** Each row: the job, the event, the rules that differ from plain ones, and what changes. */
const TABLE: [
  name: string,
  before: Partial<JobFacts>,
  event: JobEvent,
  rules: Partial<TubeRules>,
  changes: Partial<JobFacts>,
][] = [
  ["touch restarts the time to run", {}, { kind: "touch" }, {}, { dueAt: NOW + 60_000 }],
  ["release without a delay", {}, RELEASE, {}, {
    ...READY,
    priority: 7,
    delayMs: 0,
    releases: 3,
  }],
  ["release with a delay", {}, { kind: "release", priority: 7, delayMs: 90 }, {}, {
    ...delayed(90),
    priority: 7,
    delayMs: 90,
    releases: 3,
  }],
  ["release ignores the backoff", {}, RELEASE, BACKOFF, {
    ...READY,
    priority: 7,
    delayMs: 0,
    releases: 3,
  }],
  ["release is no attempt, so it never buries", {}, RELEASE, { maxAttempts: 6 }, {
    ...READY,
    priority: 7,
    delayMs: 0,
    releases: 3,
  }],
  ["fail in a tube without a backoff", { attempts: 0 }, FAIL, {}, {
    ...delayed(FAILURE_BACKOFF_MS),
    releases: 3,
    attempts: 1,
    reason: "no bread",
  }],
  ["fail doubles the default backoff", { attempts: 3 }, FAIL, {}, {
    ...delayed(8 * FAILURE_BACKOFF_MS),
    releases: 3,
    attempts: 4,
    reason: "no bread",
  }],
  ["fail doubles the tube's backoff", { attempts: 2 }, FAIL, { ...BACKOFF, backoffMs: 100 }, {
    ...delayed(400),
    releases: 3,
    attempts: 3,
    reason: "no bread",
  }],
  ["fail stops at the longest backoff", { attempts: 40 }, FAIL, BACKOFF, {
    ...delayed(10_000),
    releases: 3,
    attempts: 41,
    reason: "no bread",
  }],
  ["fail at the last attempt", { attempts: 0 }, FAIL, { maxAttempts: 1 }, {
    ...BURIED,
    releases: 3,
    attempts: 1,
    reason: "no bread",
  }],
  ["fail at the last attempt in a tube with a dead_letter", { attempts: 4 }, FAIL, DEAD_LETTER, {
    ...READY,
    releases: 3,
    attempts: 0,
    reason: "no bread",
    death: { tube: "mail", attempts: 5, reason: "no bread" },
  }],
  [
    "a time-out at the last attempt in a tube with a dead_letter",
    { attempts: 4 },
    {
      kind: "time-out",
    },
    DEAD_LETTER,
    {
      ...READY,
      timeouts: 2,
      attempts: 0,
      reason: "timed out",
      death: { tube: "mail", attempts: 5, reason: "timed out" },
    },
  ],
  [
    "a lost worker at the last attempt in a tube with a dead_letter",
    { attempts: 4 },
    {
      kind: "worker-lost",
    },
    DEAD_LETTER,
    {
      ...READY,
      attempts: 0,
      reason: "the worker disconnected",
      death: { tube: "mail", attempts: 5, reason: "the worker disconnected" },
    },
  ],
  ["fail before the last attempt in a tube with a dead_letter", { attempts: 3 }, FAIL, {
    ...DEAD_LETTER,
    backoffMs: 100,
  }, { ...delayed(800), releases: 3, attempts: 4, reason: "no bread" }],
  [
    "expire in a tube with a dead_letter",
    { state: "ready", attempts: 0 },
    {
      kind: "expire",
    },
    DEAD_LETTER,
    {
      ...READY,
      reason: "expired before it was started",
      death: { tube: "mail", attempts: 0, reason: "expired before it was started" },
    },
  ],
  ["bury in a tube with a dead_letter", {}, { kind: "bury", priority: 1 }, DEAD_LETTER, {
    ...BURIED,
    priority: 1,
    reason: "buried by its worker",
  }],
  [
    "move lets a dead letter start anew",
    {
      ...READY,
      death: { tube: "mail", attempts: 5, reason: "no bread" },
    },
    { kind: "move", tube: "other" },
    {},
    { attempts: 0, death: null },
  ],
  ["move keeps the state", { state: "buried", dueAt: 7 }, { kind: "move", tube: "other" }, {}, {
    attempts: 0,
  }],
  ["bury without a reason", {}, { kind: "bury", priority: 1 }, {}, {
    ...BURIED,
    priority: 1,
    reason: "buried by its worker",
  }],
  ["bury with a reason", {}, { kind: "bury", priority: 1, reason: "why" }, { maxAttempts: 1 }, {
    ...BURIED,
    priority: 1,
    reason: "why",
  }],
  ["time-out", {}, { kind: "time-out" }, {}, {
    ...READY,
    timeouts: 2,
    attempts: 6,
    reason: "timed out",
  }],
  ["time-out with a backoff", { attempts: 1 }, { kind: "time-out" }, BACKOFF, {
    ...delayed(2000),
    timeouts: 2,
    attempts: 2,
    reason: "timed out",
  }],
  ["time-out at the last attempt", {}, { kind: "time-out" }, { maxAttempts: 6 }, {
    ...BURIED,
    timeouts: 2,
    attempts: 6,
    reason: "timed out",
  }],
  ["lost worker", {}, { kind: "worker-lost" }, {}, {
    ...READY,
    attempts: 6,
    reason: "the worker disconnected",
  }],
  ["lost worker at the last attempt", {}, { kind: "worker-lost" }, { maxAttempts: 6 }, {
    ...BURIED,
    attempts: 6,
    reason: "the worker disconnected",
  }],
  [
    "dismissed worker: no attempt, no backoff",
    {},
    { kind: "worker-dismissed" },
    { ...BACKOFF, maxAttempts: 1 },
    READY,
  ],
  ["kick of a buried job", { state: "buried" }, { kind: "kick" }, { ...BACKOFF, maxAttempts: 1 }, {
    ...READY,
    kicks: 5,
  }],
  ["kick of a delayed job", { state: "delayed" }, { kind: "kick" }, {}, { ...READY, kicks: 5 }],
  ["end of a delay", { state: "delayed" }, { kind: "delay-over" }, BACKOFF, READY],
];

for (const [name, before, event, rules, changes] of TABLE) {
  Deno.test(`applyEvent(): ${name}`, () => {
    const facts = job(before);
    const after = applyEvent(facts, event, {
      rules: { ...PLAIN, ...rules },
      tube: "mail",
      now: NOW,
    });
    assert.deepEqual(after, { ...job(before), ...changes });
    assert.deepEqual(facts, job(before), "the facts that were passed in have changed");
  });
}

const STATES: JobState[] = ["ready", "reserved", "delayed", "buried"];

const EVENTS: JobEvent[] = [
  { kind: "touch" },
  RELEASE,
  FAIL,
  { kind: "bury", priority: 1 },
  { kind: "time-out" },
  { kind: "worker-lost" },
  { kind: "worker-dismissed" },
  { kind: "kick" },
  { kind: "delay-over" },
];

Deno.test("isPossible(): lists the states of every event, and applyEvent() throws in all others", () => {
  const statesOf = (event: Parameters<typeof isPossible>[0]) =>
    STATES.filter((state) => isPossible(event, state)).join();
  const actual = EVENTS.map(({ kind }) => `${kind}: ${statesOf(kind)}`);
  assert.deepEqual(actual, [
    "touch: reserved",
    "release: reserved",
    "fail: reserved",
    "bury: reserved",
    "time-out: reserved",
    "worker-lost: reserved",
    "worker-dismissed: reserved",
    "kick: delayed,buried",
    "delay-over: delayed",
  ]);
  assert.equal(statesOf("done"), "reserved");
  assert.equal(statesOf("delete"), "ready,reserved,delayed,buried");
  for (const event of EVENTS) {
    for (const state of STATES.filter((state) => !isPossible(event.kind, state))) {
      assert.throws(
        () => applyEvent(job({ state }), event, { rules: PLAIN, tube: "mail", now: NOW }),
        { message: `Cannot apply "${event.kind}" to a job: its state is "${state}"` },
      );
    }
  }
});

const event: fc.Arbitrary<JobEvent> = fc.oneof(
  fc.constantFrom(...EVENTS),
  fc.record({
    kind: fc.constant("release" as const),
    priority: fc.nat(2 ** 32 - 1),
    delayMs: fc.nat(1_000_000),
  }),
  fc.record({ kind: fc.constant("fail" as const), reason: fc.uint8Array({ maxLength: 2000 }) }),
  fc.record({ kind: fc.constant("bury" as const), priority: fc.nat(), reason: fc.string() }),
);

const rules: fc.Arbitrary<TubeRules> = fc.record({
  maxAttempts: fc.nat(5),
  backoffMs: fc.constantFrom(0, 1, 1000, 60_000),
  maxBackoffMs: fc.constantFrom(1, 30_000, 600_000),
  maxReserved: fc.constant(0),
  rate: fc.constant(null),
  deadLetter: fc.constant(""),
});

Deno.test("applyEvent(): keeps its invariants over any life of a job", () => {
  fc.assert(fc.property(rules, fc.array(event, { maxLength: 60 }), (rules, events) => {
    let facts = job({ state: "ready", dueAt: 0, attempts: 0, buries: 0 });
    let now = NOW;
    for (const event of events) {
      now += 10;
      // Another worker reserves the job, if the event needs one.
      if (!isPossible(event.kind, facts.state)) {
        facts = { ...facts, state: "reserved", dueAt: now + facts.ttrMs };
      }
      if (!isPossible(event.kind, facts.state)) continue;
      const before = facts;
      facts = applyEvent(before, event, { rules, tube: "mail", now });

      const failed = ["fail", "time-out", "worker-lost"].includes(event.kind);
      assert.equal(facts.attempts, before.attempts + Number(failed));
      const isLast = failed && rules.maxAttempts > 0 && facts.attempts >= rules.maxAttempts;
      assert.equal(facts.state === "buried", isLast || event.kind === "bury");
      assert.equal(facts.buries, before.buries + Number(facts.state === "buried"));
      assert.equal(facts.state === "reserved", event.kind === "touch");
      assert.equal(facts.ttrMs, before.ttrMs);
      assert(facts.reason.length <= MAX_REASON_LENGTH);

      if (facts.state === "ready") assert.equal(facts.dueAt, 0);
      if (facts.state === "buried") assert.equal(facts.dueAt, now);
      if (facts.state === "delayed") {
        const asked = event.kind === "release" ? event.delayMs : 0;
        const delayMs = facts.dueAt - now;
        assert(delayMs > 0 && delayMs >= asked);
        assert(delayMs <= Math.max(asked, rules.maxBackoffMs), `a delay of ${delayMs} ms`);
      }
    }
  }));
});

Deno.test("givenBack(): tells a client what became of the job", () => {
  assert.deepEqual(STATES.map(givenBack), ["RELEASED", "RELEASED", "RELEASED", "BURIED"]);
});

Deno.test("allowedTtrMs(): raises what is below a second", () => {
  assert.deepEqual([0, 999, 1000, 1001].map(allowedTtrMs), [MIN_TTR_MS, MIN_TTR_MS, 1000, 1001]);
});

Deno.test("reasonText(): keeps the beginning, one character a byte", () => {
  assert.equal(reasonText(Uint8Array.of(0, 0xff)), "\0\xff");
  assert.equal(reasonText("a".repeat(1001)), "a".repeat(1000));
  assert.equal(reasonText(new Uint8Array(1001).fill(97)), "a".repeat(1000));
  for (const reason of Object.values(REASONS)) assert.equal(reasonText(reason), reason);
});
