import type { ServiceAction } from "../service.ts";
import type { Queue, QueueClient } from "./queue.ts";

/** The most jobs that are kicked at once. */
const KICK_MAX = 10_000;

const REASON = "buried by hand";

/**
 * What a person can have a queue do. Both take a `job` by its number, or a `tube`: then `kick`
 * takes a `count` too, and `bury` buries the job that would be given out next.
 */
export function taskActions(queue: Queue): Record<string, ServiceAction> {
  return {
    kick: (fields) =>
      asClient(queue, async (client) => {
        if (fields["job"] !== undefined) return await kickJob(client, wholeNumber(fields, "job"));
        const count = wholeNumber(fields, "count");
        if (count > KICK_MAX) throw new RangeError(`No more than ${KICK_MAX} jobs at once.`);
        await useTube(client, fields["tube"]);
        const kicked = await client.kick(count);
        return `${kicked} ${kicked === 1 ? "job was" : "jobs were"} kicked in ${client.used}.`;
      }),
    bury: (fields) =>
      asClient(queue, async (client) => {
        if (fields["job"] !== undefined) return await buryJob(client, wholeNumber(fields, "job"));
        await useTube(client, fields["tube"]);
        const next = await client.peekState("ready");
        if (next === null) throw new Error(`There is no ready job in ${client.used}.`);
        return await buryJob(client, next.id);
      }),
  };
}

/** Does something as a client of its own; resolves when what it came to is durable. */
async function asClient(
  queue: Queue,
  work: (client: QueueClient) => Promise<string>,
): Promise<string> {
  const client = queue.connect();
  try {
    const result = await work(client);
    await client.settled();
    return result;
  } finally {
    client.close();
  }
}

async function kickJob(client: QueueClient, job: number): Promise<string> {
  if (await client.kickJob(job)) return `Job ${job} was kicked.`;
  throw new Error(`There is no job ${job} that is buried or delayed.`);
}

async function buryJob(client: QueueClient, job: number): Promise<string> {
  const stats = await client.statsJob(job);
  if (stats === null) throw new Error(`There is no job ${job}.`);
  if (stats.state === "buried") return `Job ${job} is buried already.`;
  // Only who has reserved a job can bury it.
  if (await client.reserveJob(job) === null || !await client.bury(job, stats.priority, REASON)) {
    throw new Error(`Job ${job} cannot be buried now: a worker has it, or its tube is full.`);
  }
  return `Job ${job} was buried in ${stats.tube}.`;
}

/** Uses a tube that is there; to use another would make it. */
async function useTube(client: QueueClient, tube: unknown): Promise<void> {
  if (typeof tube !== "string") throw new RangeError('"tube" is missing.');
  if (await client.statsTube(tube) === null || !client.use(tube)) {
    throw new RangeError(`There is no tube "${tube}".`);
  }
}

function wholeNumber(fields: Readonly<Record<string, unknown>>, name: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`"${name}" has to be a whole number above 0.`);
}
