import type { ServiceAction } from "../service.ts";
import { TUBE_NAME } from "./config.ts";
import { SWEPT_STATES } from "./job_states.ts";
import type { Queue, QueueClient } from "./queue.ts";

/** The most jobs that one action kicks. */
const KICK_MAX = 10_000;

const REASON = "buried by hand";

const NO_ROOM = "There are too many tubes.";

type Fields = Readonly<Record<string, unknown>>;

/**
 * The actions that an operator can run on a queue. `kick` and `bury` take the id of a `job`, or a
 * `tube`: then `kick` needs a `count` as well, and `bury` buries the next ready job. `delete`,
 * `cancel` and `release` (of a held job) take the id of a `job`; `flush` takes a `tube` and a
 * `state`; `move` takes a `job` or a `tube`, and the name of another tube, `to`; `quiet` and `resume`
 * take the number of a `worker`.
 */
export function taskActions(queue: Queue): Record<string, ServiceAction> {
  return {
    kick: (fields) =>
      asClient(queue, async (client) => {
        if (fields["job"] !== undefined) return await kickJob(client, wholeNumber(fields, "job"));
        const count = wholeNumber(fields, "count");
        if (count > KICK_MAX) throw new RangeError(`"count" must be at most ${KICK_MAX}.`);
        await useTube(client, fields["tube"]);
        const kicked = await client.kick(count);
        return `${jobs(kicked)} kicked in ${client.used}.`;
      }),
    bury: (fields) =>
      asClient(queue, async (client) => {
        if (fields["job"] !== undefined) return await buryJob(client, wholeNumber(fields, "job"));
        await useTube(client, fields["tube"]);
        const next = await client.peekState("ready");
        if (next === null) throw new Error(`There is no ready job in ${client.used}.`);
        return await buryJob(client, next.id);
      }),
    delete: (fields) => asClient(queue, (client) => deleteJob(client, wholeNumber(fields, "job"))),
    cancel: (fields) => asClient(queue, (client) => cancelJob(client, wholeNumber(fields, "job"))),
    release: (fields) =>
      asClient(queue, (client) => releaseJob(client, wholeNumber(fields, "job"))),
    flush: (fields) => asClient(queue, (client) => flush(client, fields)),
    move: (fields) => asClient(queue, (client) => move(client, fields)),
    quiet: (fields) => setQuiet(queue, wholeNumber(fields, "worker"), true),
    resume: (fields) => setQuiet(queue, wholeNumber(fields, "worker"), false),
  };
}

/** Runs an action as a new client; resolves when the outcome is durable. */
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
  throw new Error(`There is no buried or delayed job ${job}.`);
}

async function buryJob(client: QueueClient, job: number): Promise<string> {
  const stats = await client.statsJob(job);
  if (stats === null) throw new Error(`There is no job ${job}.`);
  if (stats.state === "buried") return `Job ${job} is already buried.`;
  // Only the client that has a job reserved can bury it.
  if (await client.reserveJob(job) === null || !await client.bury(job, stats.priority, REASON)) {
    throw new Error(
      `Job ${job} cannot be buried now: ` +
        (stats.state === "held"
          ? "it is held."
          : "a worker has it, or its tube is at max_reserved or its rate."),
    );
  }
  return `Job ${job} was buried in ${stats.tube}.`;
}

async function deleteJob(client: QueueClient, job: number): Promise<string> {
  if (await client.delete(job)) return `Job ${job} was deleted.`;
  if (await client.statsJob(job) === null) throw new Error(`There is no job ${job}.`);
  throw new Error(`Job ${job} cannot be deleted now: a worker has it.`);
}

async function cancelJob(client: QueueClient, job: number): Promise<string> {
  if (await client.cancelJob(job)) return `Job ${job} was cancelled.`;
  throw new Error(`There is no job ${job}.`);
}

async function releaseJob(client: QueueClient, job: number): Promise<string> {
  if (await client.releaseHeld(job)) return `Job ${job} was released.`;
  throw new Error(`There is no held job ${job}.`);
}

async function flush(client: QueueClient, fields: Fields): Promise<string> {
  const tube = tubeName(fields, "tube");
  const state = SWEPT_STATES.find((state) => state === fields["state"]);
  if (state === undefined) {
    throw new RangeError(`"state" must be one of ${SWEPT_STATES.join(", ")}.`);
  }
  const count = await client.flushTube(tube, state);
  if (count === null) throw new RangeError(`There is no tube "${tube}".`);
  return `${jobs(count)} deleted from ${tube}.`;
}

async function move(client: QueueClient, fields: Fields): Promise<string> {
  const to = tubeName(fields, "to");
  if (fields["job"] !== undefined) {
    const job = wholeNumber(fields, "job");
    const moved = await client.moveJob(job, to);
    if (moved === "OUT_OF_MEMORY") throw new Error(NO_ROOM);
    if (moved) return `Job ${job} was moved to ${to}.`;
    throw new Error(`Job ${job} cannot be moved: a worker has it, or it does not exist.`);
  }
  const tube = tubeName(fields, "tube");
  const count = await client.moveTube(tube, to);
  if (count === "OUT_OF_MEMORY") throw new Error(NO_ROOM);
  if (count === null) throw new RangeError(`There is no tube "${tube}".`);
  return `${jobs(count)} moved from ${tube} to ${to}.`;
}

function jobs(count: number): string {
  return count === 1 ? "1 job was" : `${count} jobs were`;
}

function setQuiet({ workers }: Queue, worker: number, quiet: boolean): Promise<string> {
  if (!workers.setQuiet(worker, quiet)) {
    return Promise.reject(new Error(`There is no worker ${worker}.`));
  }
  return Promise.resolve(
    quiet
      ? `Worker ${worker} finishes its jobs and gets no new ones.`
      : `Worker ${worker} gets jobs again.`,
  );
}

/** Uses a tube that exists; using any other would create it. */
async function useTube(client: QueueClient, tube: unknown): Promise<void> {
  if (typeof tube !== "string") throw new RangeError('"tube" is missing.');
  if (await client.statsTube(tube) === null || !client.use(tube)) {
    throw new RangeError(`There is no tube "${tube}".`);
  }
}

function tubeName(fields: Fields, name: string): string {
  const tube = fields[name];
  if (typeof tube === "string" && TUBE_NAME.pattern.test(tube)) return tube;
  throw new RangeError(`"${name}" must be ${TUBE_NAME.allowed}.`);
}

function wholeNumber(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`"${name}" must be a whole number above 0.`);
}
