/** Compares the NATS port with nats-server itself: the same bytes must get the same replies. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { hasNatsServer, startNatsServer } from "../../support/nats_server.ts";
import { startNats, WireClient } from "./support.ts";

const ignore = !await hasNatsServer();

const QUIET = 'CONNECT {"verbose":false,"pedantic":false}\r\n';
const HEADERS = 'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n';
const STATUS = 'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n';
const NO_ECHO = 'CONNECT {"verbose":false,"headers":true,"no_responders":true,"echo":false}\r\n';
const PEDANTIC = 'CONNECT {"verbose":false,"pedantic":true}\r\n';
const BLOCK = "NATS/1.0\r\n\r\n";

/** What one client sends, after its INFO. */
const TRANSCRIPTS = [
  "",
  "PING\n",
  "PINGxx\r\n",
  "ping\r\nsub a 1\r\npub a 2\r\nhi\r\nunsub 1\r\n",
  " PING\r\n",
  "\r\n",
  "ZZZ",
  "PXX\r\n",
  "SUB a 1\r\nPUB a 2\r\nhi\r\n",
  "SUB\ta\t1\r\nPUB \t a\t\t2 \r\nhi\r\n",
  "SUB a 1\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\n",
  "SUB a 1\r\nPUB a r.x 2\r\nhi\r\n",
  "PUB a 2\r\nhello\r\n",
  "SUB a 1\r\nPUB a 2\r\nhi\n",
  "SUB a 1\r\nPUB a 2\nhi\r\n",
  "PUB a abc\r\n",
  "PUB a -1\r\n",
  "PUB a\r\n",
  "PUB\r\n",
  "PUB a b c 1\r\nx\r\n",
  "PUB a 0000000001\r\nx\r\n",
  "PUB a 1048577\r\n",
  "PUB a 199380988\r\n",
  "PUB a 1993809881\r\n",
  `${QUIET}SUB a 1\r\nPUB a 1\r\nx\r\nPUB a 2\r\nyz\r\nPUB b 1\r\n-\r\nPUB a 1\r\nv\r\n`,
  `${HEADERS}SUB a 1\r\nHPUB a 12 14\r\n${BLOCK}hi\r\n`,
  `${HEADERS}SUB a 1\r\nHPUB a r 12 14\r\n${BLOCK}hi\r\n`,
  `${HEADERS}SUB a 1\r\nHPUB a 12 12\r\n${BLOCK}\r\n`,
  `${HEADERS}SUB a 1\r\nHPUB a 4 6\r\nabcdhi\r\n`,
  `${HEADERS}SUB a 1\r\nHPUB a 0 2\r\nhi\r\n`,
  `${HEADERS}HPUB a 14 12\r\n${BLOCK}hi\r\n`,
  `${HEADERS}HPUB a 2\r\nhi\r\n`,
  'CONNECT {"verbose":false,"no_responders":true}\r\n',
  `${STATUS}SUB r.* 7\r\nPUB a r.1 2\r\nhi\r\n`,
  `${STATUS}SUB r.* 7\r\nHPUB a r.1 12 14\r\n${BLOCK}hi\r\n`,
  `${STATUS}PUB a r.1 2\r\nhi\r\n`,
  `${STATUS}SUB r.* group 7\r\nPUB a r.1 2\r\nhi\r\n`,
  `${STATUS}SUB r.1 7\r\nUNSUB 7 1\r\nPUB a r.1 2\r\nhi\r\nPUB r.1 1\r\nx\r\nPUB r.1 1\r\ny\r\n`,
  `${STATUS}SUB r.* 7\r\nSUB a 8\r\nPUB a r.1 2\r\nhi\r\n`,
  `${NO_ECHO}SUB r.* 7\r\nSUB a 8\r\nPUB a r.1 2\r\nhi\r\n`,
  `${STATUS}SUB r 1\r\nPUB $JS.API.INFO r 0\r\n\r\n`,
  'CONNECT {"headers":true,"no_responders":true}\r\nSUB r 7\r\nPUB a r 2\r\nhi\r\n',
  "CONNECT {verbose}\r\n",
  "CONNECT\r\n",
  "CONNECT {}\r\nPUB a.* 2\r\nhi\r\n",
  "CONNECT []\r\n",
  'CONNECT {"verbose":"x"}\r\n',
  'CONNECT {"name":5}\r\n',
  'CONNECT {"verbose":null,"name":null}\r\n',
  'CONNECT{"VERBOSE":false}\r\nSUB a 1\r\n',
  "CONNECT null\r\n",
  'CONNECT {"protocol":2}\r\n',
  'CONNECT {"protocol":-1}\r\n',
  'CONNECT {"verbose":false}\r\nCONNECT {"verbose":true}\r\nSUB a 1\r\n',
  `${NO_ECHO}CONNECT {}\r\nSUB a 1\r\nPUB a 1\r\nx\r\n`,
  'CONNECT {"verbose":false} x\r\n',
  `${PEDANTIC}PUB foo.* 2\r\nok\r\nPUB foo. 2\r\nok\r\nPUB .foo 2\r\nok\r\nPUB foo..* 2\r\nok\r\n`,
  "PUB foo..* 2\r\nok\r\nPUB a 2\r\nok\r\n",
  `${QUIET}SUB > 1\r\nPUB foo. 2\r\nok\r\nPUB .foo 2\r\nok\r\nPUB foo..* 2\r\nok\r\n`,
  `${PEDANTIC}SUB > 1\r\nPUB foo a.* 2\r\nok\r\n`,
  "SUB foo. 1\r\nSUB .foo 1\r\nSUB foo..bar 1\r\nSUB foo.>.bar 1\r\nSUB > 1\r\n",
  "SUB fo* 2\r\nSUB fo> 3\r\nSUB *a.> 4\r\nPUB fo 1\r\nx\r\n",
  "SUB foo\r\n",
  "SUB\r\n",
  "SUB  \r\n",
  "SUB a b c d\r\n",
  "SUBa 1\r\n",
  "SUB a 1\r\nSUB b 1\r\nPUB a 1\r\nx\r\nPUB b 1\r\ny\r\n",
  "SUB a..b 1\r\nSUB a 1\r\nPUB a 1\r\nx\r\n",
  "SUB a x-y.z*>\r\nPUB a 1\r\nx\r\n",
  "SUB a group.* 1\r\nPUB a 1\r\nx\r\n",
  "SUB é 1\r\nPUB é 1\r\nx\r\n",
  "SUB a é\r\nPUB a 1\r\nx\r\n",
  "UNSUB 99\r\nUNSUB 99 3\r\n",
  "UNSUB\r\n",
  "UNSUB 1 2 3\r\n",
  "SUB a 1\r\nUNSUB 1 x\r\nPUB a 1\r\nx\r\n",
  "SUB a 1\r\nUNSUB 1 0\r\nPUB a 1\r\nx\r\n",
  "SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\nPUB a 1\r\nz\r\n",
  `${QUIET}SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\nPUB a 1\r\nz\r\n`,
  "SUB a 1\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\nUNSUB 1 2\r\nPUB a 1\r\nz\r\n",
  "SUB a 1\r\nPUB a 1\r\nx\r\nUNSUB 1 2\r\nPUB a 1\r\ny\r\nPUB a 1\r\nz\r\n",
  "SUB a 1\r\nUNSUB 1 1\r\nUNSUB 1 2\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\nPUB a 1\r\nz\r\n",
  "SUB a group 1\r\nUNSUB 1 1\r\nPUB a 1\r\nx\r\nPUB a 1\r\ny\r\n",
  "SUB a 1\r\nUNSUB 1 1\r\nPUB a 1\r\nx\r\nSUB a 1\r\nPUB a 1\r\ny\r\n",
  "+OK\r\nPONG\r\nPONG x\r\nINFO {}\r\n",
  "-ERR 'x'\r\n",
  "MSG a 1 1\r\nx\r\n",
  `PUB ${"a".repeat(5000)} 2\r\nhi\r\n`,
  `SUB ${"a".repeat(5000)}`,
  `SUB ${"a".repeat(2000)} ${"b".repeat(2093)} 1\r\n`,
  `SUB ${"a".repeat(2000)} ${"b".repeat(2096)} 1\r\n`,
  `CONNECT {"name":"${"a".repeat(4200)}"}\r\n`,
  "SUB $SYS.> 1\r\nPUB $SYS.REQ.SERVER.PING r 0\r\n\r\n",
];

/**
 * nats-server closes a connection without a word when it cannot read the arguments of an operation.
 * Its documentation names an error for that, which is more helpful.
 */
const MORE_WORDS = /-ERR '(Parser Error|message headers not supported)'\r\n(?=…closed$)/;

Deno.test({
  name: "the NATS port answers one client as nats-server does",
  ignore,
  async fn() {
    await using theirs = await startNatsServer();
    await using ours = await startNats();
    const more = [`${QUIET}HPUB a 12 14\r\n${BLOCK}hi\r\n`, `HPUB a 12 14\r\n${BLOCK}hi\r\n`];
    for (const transcript of [...TRANSCRIPTS, ...more]) {
      using their = await WireClient.connect(theirs.port);
      using our = await WireClient.connect(ours.port);
      const [wanted, answer] = await Promise.all([their.ask(transcript), our.ask(transcript)]);
      assert.equal(answer.replace(MORE_WORDS, ""), wanted, JSON.stringify(transcript));
    }
  },
});

const CLIENTS = 3;

/** Queue groups of one client each, as the choice of a member is random. */
const subject = fc.constantFrom("a", "a.b", "a.b.c", "b", "b.c");
const pattern = fc.oneof(subject, fc.constantFrom("a.*", "*", "a.>", ">", "*.b", "a.*.c"));
const sid = fc.constantFrom("1", "2", "3", "x");
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(pattern, sid).map(([on, sid]) => `SUB ${on} ${sid}\r\n`) },
  { weight: 1, arbitrary: fc.tuple(pattern, sid).map(([on, sid]) => `SUB ${on} GROUP ${sid}\r\n`) },
  {
    weight: 6,
    arbitrary: fc.tuple(subject, fc.string({ unit: fc.constantFrom("a", "b", "é"), maxLength: 5 }))
      .map(([on, text]) => `PUB ${on} ${new TextEncoder().encode(text).length}\r\n${text}\r\n`),
  },
  fc.tuple(subject, subject).map(([on, reply]) => `PUB ${on} ${reply} 1\r\n?\r\n`),
  subject.map((on) => `HPUB ${on} 12 13\r\n${BLOCK}!\r\n`),
  fc.tuple(subject, subject).map(([on, reply]) => `HPUB ${on} ${reply} 12 13\r\n${BLOCK}?\r\n`),
  sid.map((sid) => `UNSUB ${sid}\r\n`),
  fc.tuple(sid, fc.integer({ min: 1, max: 6 })).map(([sid, max]) => `UNSUB ${sid} ${max}\r\n`),
);
const options = fc.record({
  headers: fc.constant(true),
  no_responders: fc.boolean(),
  echo: fc.boolean(),
  pedantic: fc.boolean(),
  verbose: fc.boolean(),
});
const step = fc.tuple(fc.nat(CLIENTS - 1), operation);

Deno.test({
  name: "the NATS port delivers among clients as nats-server does",
  ignore,
  async fn() {
    await using theirs = await startNatsServer();
    await using ours = await startNats();
    const session = fc.tuple(
      fc.array(options, { minLength: CLIENTS, maxLength: CLIENTS }),
      fc.array(step, { maxLength: 40 }),
    );
    await fc.assert(
      fc.asyncProperty(session, async ([all, steps]) => {
        const [wanted, answers] = await Promise.all([theirs, ours].map(async ({ port }) => {
          using clients = new DisposableStack();
          const wires: WireClient[] = [];
          for (const options of all) {
            const wire = clients.use(await WireClient.connect(port));
            await wire.ask(`CONNECT ${JSON.stringify(options)}\r\n`);
            wires.push(wire);
          }
          const heard: string[] = [];
          for (const [index, operation] of steps) {
            // A group of its own for each subscription: which member gets a message is random.
            const asked = operation.replace(/GROUP (\S+)/, `group${index}-$1 $1`);
            heard.push(inAnyOrder(await wires[index]!.ask(asked)));
            for (const wire of wires) heard.push(inAnyOrder(await wire.ask()));
          }
          return heard;
        }));
        assert.deepEqual(answers, wanted);
      }),
      { numRuns: 15 },
    );
  },
});

/** Sorts the messages of an answer: the order of the subscriptions of one client is not defined. */
function inAnyOrder(answer: string): string {
  const [replies, ...messages] = answer.split(/^(?=H?MSG )/m);
  return /^H?MSG /.test(replies!)
    ? [replies, ...messages].toSorted().join("")
    : [replies, ...messages.toSorted()].join("");
}
