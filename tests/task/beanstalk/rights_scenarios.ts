import assert from "node:assert/strict";
import { BEANSTALK_NEEDS } from "../../../lib/task/beanstalk/limited_runner.ts";
import type { Queue } from "../../../lib/task/queue.ts";
import { taskRights } from "../../../lib/task/rights.ts";
import { FULL_TOKEN, guardWithRights, LIMITED_TOKEN } from "../../support/rights.ts";
import { startServer } from "../support.ts";

/** A test of a client with limited rights, on a queue without jobs. */
export interface RightsScenario {
  name: string;
  /** @param queue The queue; one in memory without it. */
  run(queue?: Queue): Promise<void>;
}

/** Starts a server with a client of either token. */
async function start(rights: unknown, queue: Queue | undefined) {
  const guard = guardWithRights(taskRights, rights);
  const server = await startServer({ guard: () => guard, ...(queue && { queue }) });
  const operator = await server.client(), client = await server.client();
  await operator.ask(`auth ${FULL_TOKEN}\r\n`, "AUTHENTICATED\r\n");
  await client.ask(`auth ${LIMITED_TOKEN}\r\n`, "AUTHENTICATED\r\n");
  return {
    server,
    operator,
    client,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const REFUSED = "NOT_ALLOWED\r\n";

/** Each command that needs a right, on a tube or a job to which the client has none. */
const ON_SECRETS: Readonly<Record<string, readonly string[]>> = {
  "put": ["put 0 0 10 1\r\nx"],
  "put-unique": ["put-unique key 0 0 10 1\r\nx"],
  "put-batch": ["put-batch 1 13\r\n0 0 10 1\r\nx\r\n"],
  "put-job": ["put-job 0 0 10 1\r\nx"],
  "use": ["use secret"],
  "watch": ["watch secret"],
  "reserve": ["reserve"],
  "reserve-with-timeout": ["reserve-with-timeout 0"],
  "reserve-batch": ["reserve-batch 5 0"],
  "kick": ["kick 5"],
  "peek-ready": ["peek-ready"],
  "peek-delayed": ["peek-delayed"],
  "peek-buried": ["peek-buried"],
  "pause-tube": ["pause-tube secret 10"],
  "flush-tube": ["flush-tube secret", "flush-tube secret ready"],
  "list-jobs": ["list-jobs secret ready"],
  "reserve-job": ["reserve-job 1"],
  "delete": ["delete 1"],
  "cancel": ["cancel 1"],
  "kick-job": ["kick-job 1"],
  "release-held": ["release-held 1"],
  "peek": ["peek 1"],
  "stats-tube": ["stats-tube secret"],
  "stats-job": ["stats-job 1"],
  "result": ["result 1"],
  "wait": ["wait 1 0"],
  "move": ["move 1 mail", "move secret mail", "move mail secret"],
  "stats": ["stats"],
  "list-workers": ["list-workers"],
  "quiet-worker": ["quiet-worker 1"],
  "resume-worker": ["resume-worker 1"],
};

/** The tests that hold for every queue. */
export const RIGHTS_SCENARIOS: readonly RightsScenario[] = [
  {
    name: "every beanstalk command says what it needs, and changes nothing without",
    async run(queue) {
      const free = ["nothing", "own", "listed tubes"];
      const needy = Object.entries(BEANSTALK_NEEDS).filter(([, need]) => !free.includes(need));
      assert.deepEqual(Object.keys(ON_SECRETS).sort(), needy.map(([kind]) => kind).sort());
      await using started = await start({ put: ["mail"], work: ["mail"] }, queue);
      const { client, operator } = started;
      await operator.ask(
        "use secret\r\nput 5 0 10 4\r\nbody\r\n",
        "USING secret\r\nINSERTED 1\r\n",
      );
      // It uses and watches "default", to which it has no right either.
      for (const [kind, commands] of Object.entries(ON_SECRETS)) {
        for (const command of commands) {
          await client.send(`${command}\r\n`);
          assert.equal(`${await client.line()}\r\n`, REFUSED, kind);
        }
      }
      // The commands of a worker do nothing to a job that the client has not reserved.
      for (const command of ["release 1 0 0", "bury 1 0", "touch 1"]) {
        await client.ask(`${command}\r\n`, "NOT_FOUND\r\n");
      }
      for (const command of ["done", "fail", "progress"]) {
        await client.ask(`${command} 1 1\r\nx\r\n`, "NOT_FOUND\r\n");
      }
      await client.ask("list-tubes\r\n", "OK 4\r\n---\n\r\n");
      await client.ask("use mail\r\n", "USING mail\r\n");
      await client.ask("put-job 0 0 10 1 after=1\r\nx\r\n", REFUSED);
      await operator.ask("peek 1\r\n", "FOUND 1 4\r\nbody\r\n");
      await operator.ask("peek 2\r\n", "NOT_FOUND\r\n");
      await operator.send("stats-job 1\r\n");
      const stats = (await operator.bytes(Number((await operator.line()).split(" ")[1]) + 2)).split(
        "\n",
      );
      assert.ok(
        stats.includes("state: ready") && stats.includes("pri: 5") && stats.includes("reserves: 0"),
      );
    },
  },
  {
    name: "a worker does everything in its own tubes, and its first one replaces default",
    async run(queue) {
      await using started = await start({ put: ["out"], work: ["in-*"] }, queue);
      const { client, operator } = started;
      await operator.ask("use in-a\r\nput 0 0 10 1\r\na\r\n", "USING in-a\r\nINSERTED 1\r\n");
      await operator.ask("use default\r\nput 0 0 10 1\r\nd\r\n", "USING default\r\nINSERTED 2\r\n");
      await client.ask(
        "watch in-a\r\nlist-tubes-watched\r\n",
        "WATCHING 1\r\nOK 11\r\n---\n- in-a\n\r\n",
      );
      await client.ask("ignore default\r\nwatch in-b\r\n", "WATCHING 1\r\nWATCHING 2\r\n");
      await client.ask("reserve-with-timeout 0\r\n", "RESERVED 1 1\r\na\r\n");
      await client.ask("reserve-with-timeout 0\r\n", "TIMED_OUT\r\n");
      await client.ask("release 1 0 0\r\npeek 1\r\n", "RELEASED\r\nFOUND 1 1\r\na\r\n");
      await client.ask("move 1 out\r\nmove 1 in-a\r\n", `MOVED 1\r\n${REFUSED}`);
      await client.ask("delete 1\r\n", REFUSED);
      await client.send("stats-job 1\r\n");
      assert.match(await client.line(), /^OK/);
    },
  },
  {
    name: "a producer learns what becomes of its own jobs, and of no others",
    async run(queue) {
      await using started = await start({ put: ["mail"] }, queue);
      const { client, operator, server } = started;
      await client.ask("use mail\r\nput 0 0 10 1\r\na\r\n", "USING mail\r\nINSERTED 1\r\n");
      await client.ask("put-job 0 0 10 1 after=1\r\nb\r\n", "INSERTED 2\r\n");
      await client.ask("peek 1\r\ncancel 1\r\nwatch mail\r\n", REFUSED.repeat(3));
      await operator.ask("watch mail\r\nreserve\r\n", "WATCHING 2\r\nRESERVED 1 1\r\na\r\n");
      await operator.ask("done 1 2\r\nok\r\n", "DONE\r\n");
      await client.ask("wait 1 10\r\nresult 1\r\n", "RESULT 1 done 2\r\nok\r\n".repeat(2));
      // Another connection with the same token has not put it, and nothing says which tube it was in.
      const other = await server.client();
      await other.ask(`auth ${LIMITED_TOKEN}\r\nresult 1\r\n`, `AUTHENTICATED\r\n${REFUSED}`);
      await other.ask("wait 2 0\r\nresult 99\r\n", "TIMED_OUT\r\nNOT_FOUND\r\n");
    },
  },
  {
    name: "a worker learns that its job was cancelled",
    async run(queue) {
      await using started = await start({ work: ["mail"] }, queue);
      const { client, operator } = started;
      await operator.ask("use mail\r\nput 0 0 10 1\r\na\r\n", "USING mail\r\nINSERTED 1\r\n");
      await client.ask("watch mail\r\nreserve\r\n", "WATCHING 1\r\nRESERVED 1 1\r\na\r\n");
      await client.chunk("stats-job 1\r\n");
      await operator.ask("cancel 1\r\n", "CANCELLED\r\n");
      await client.ask("touch 1\r\nresult 1\r\n", "NOT_FOUND\r\nRESULT 1 cancelled 0\r\n\r\n");
    },
  },
  {
    name: "with every tube, a client may also see the whole queue",
    async run(queue) {
      await using started = await start({ put: ["*"], work: ["*"] }, queue);
      const { client } = started;
      await client.send("stats\r\n");
      assert.match(await client.line(), /^OK/);
    },
  },
];
