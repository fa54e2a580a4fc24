import type { Address } from "../../lib/net/address.ts";
import { BeanstalkClient } from "../../lib/task/beanstalk/client.ts";
import { type Part, pause, secretName } from "./part.ts";

const RIVALS = 3;
const FOLLOWERS = 3;
const ATTEMPTS = 2;
const PAUSE_MS = 20;
const body = new TextEncoder().encode("x");

/** The tube of these jobs, and the tube of its dead letters, as the configuration has them. */
export const OPTIONS_TUBE = { name: "options", deadLetter: "options.dead" } as const;

/**
 * Jobs with options: of rivals with one unique key just one is put, followers wait for their leader,
 * and a job that fails too often becomes one dead letter.
 */
export function taskOptionsPart(address: Address): Part {
  return {
    name: "options",
    async run(stop) {
      const clients = await Promise.all(Array.from({ length: RIVALS }, () => connect(address)));
      try {
        const [client] = clients as [BeanstalkClient];
        await ask(client, `watch ${OPTIONS_TUBE.name}`, "WATCHING");
        await ask(client, "ignore default", "WATCHING");
        let rounds = 0;
        for (; !stop.aborted; rounds++) {
          await checkUnique(clients);
          await checkAfter(client);
          await checkDeadLetter(client);
          await pause(PAUSE_MS, stop);
        }
        return `${rounds} rounds of unique jobs, followers and dead letters`;
      } finally {
        for (const client of clients) client.close();
      }
    },
  };
}

async function connect(address: Address): Promise<BeanstalkClient> {
  if (address.transport !== "tcp") throw new Error("The clients speak TCP");
  const client = new BeanstalkClient(await Deno.connect(address));
  await ask(client, `use ${OPTIONS_TUBE.name}`, "USING");
  return client;
}

/** Sends a command and checks the first word of the reply; returns all words. */
async function ask(
  client: BeanstalkClient,
  line: string,
  expected: string,
  bytes?: Uint8Array,
): Promise<readonly string[]> {
  const { words } = await client.ask(line, bytes);
  if (words[0] !== expected) throw new Error(`"${line}" got "${words.join(" ")}"`);
  return words;
}

const put = (options: string) => `put-job 0 0 60 ${body.length} ${options}`;

/** Reserves the next job, which must be this one. */
async function reserve(client: BeanstalkClient, id: string): Promise<void> {
  const [, reserved] = await ask(client, "reserve-with-timeout 30", "RESERVED");
  if (reserved !== id) throw new Error(`job ${reserved} came instead of ${id}`);
}

async function checkUnique(clients: readonly BeanstalkClient[]): Promise<void> {
  const key = secretName();
  const replies = await Promise.all(
    clients.map(async (client) => (await client.ask(put(`unique=${key}`), body)).words),
  );
  const ids = new Set(replies.map(([, id]) => id!));
  const inserted = replies.filter(([word]) => word === "INSERTED").length;
  const existing = replies.filter(([word]) => word === "EXISTS").length;
  if (ids.size !== 1 || inserted !== 1 || existing !== RIVALS - 1) {
    throw new Error(`unique: ${replies.map((words) => words.join(" "))}`);
  }
  const [id] = [...ids];
  const [client] = clients as [BeanstalkClient];
  await reserve(client, id!);
  await ask(client, `delete ${id}`, "DELETED");
}

async function checkAfter(client: BeanstalkClient): Promise<void> {
  const leaders: string[] = [];
  for (let i = 0; i < 2; i++) {
    leaders.push((await ask(client, put("attempts=0"), "INSERTED", body))[1]!);
  }
  const followers = new Set<string>();
  for (let i = 0; i < FOLLOWERS; i++) {
    const line = put(`after=${leaders.join()}`);
    followers.add((await ask(client, line, "INSERTED", body))[1]!);
  }
  for (const leader of leaders) await reserve(client, leader);
  for (const leader of leaders) {
    await ask(client, "reserve-with-timeout 0", "TIMED_OUT");
    await ask(client, `done ${leader} 0`, "DONE", new Uint8Array(0));
  }
  while (followers.size > 0) {
    const [, id] = await ask(client, "reserve-with-timeout 30", "RESERVED");
    if (!followers.delete(id!)) throw new Error(`after: job ${id} is no follower`);
    await ask(client, `delete ${id}`, "DELETED");
  }
}

async function checkDeadLetter(client: BeanstalkClient): Promise<void> {
  const line = put(`attempts=${ATTEMPTS} backoff=1ms`);
  const [, id] = await ask(client, line, "INSERTED", body);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    await reserve(client, id!);
    const expected = attempt < ATTEMPTS ? "RELEASED" : "DEAD_LETTER";
    await ask(client, `fail ${id} ${body.length}`, expected, body);
  }
  await ask(client, "reserve-with-timeout 0", "TIMED_OUT");
  await ask(client, `use ${OPTIONS_TUBE.deadLetter}`, "USING");
  const [, found] = await ask(client, "peek-ready", "FOUND");
  if (found !== id) throw new Error(`dead letter: job ${found} is there instead of ${id}`);
  await ask(client, `delete ${id}`, "DELETED");
  await ask(client, "peek-ready", "NOT_FOUND");
  await ask(client, `use ${OPTIONS_TUBE.name}`, "USING");
}
