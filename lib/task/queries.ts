import type { ServiceQuery } from "../service.ts";
import type { MaybePromise } from "../storage/store.ts";
import { valueBytes } from "../storage/value.ts";
import { jobJson } from "./job_json.ts";
import {
  JOB_STATES,
  type JobState,
  MAX_JOBS_PER_PAGE,
  MAX_LISTED_JOBS,
  type Queue,
  type QueueClient,
} from "./queue.ts";
import { MAX_WORKERS_PER_PAGE } from "./workers.ts";

/** How much of the body of a single job is shown. */
const MAX_SHOWN_BYTES = 16 * 1024;

/** What the admin page can ask about a queue: jobs of a tube, one job, and the workers. */
export function taskQueries(queue: Queue): Record<string, ServiceQuery> {
  return {
    jobs: async (fields) => {
      const tube = fields["tube"];
      if (typeof tube !== "string") throw new RangeError('"tube" is missing.');
      const page = {
        tube,
        state: stateIn(fields),
        from: numberIn(fields, "from", { max: MAX_LISTED_JOBS }),
        count: numberIn(fields, "count", { max: MAX_JOBS_PER_PAGE, otherwise: MAX_JOBS_PER_PAGE }),
      };
      const jobs = await asked(queue, (client) => client.listJobs(page));
      if (jobs === null) throw new RangeError(`There is no tube "${tube}".`);
      return {
        jobs: jobs.map(({ excerpt, bodyBytes, ...stats }) => jobJson(stats, excerpt, bodyBytes)),
        end: MAX_LISTED_JOBS,
      };
    },
    job: async (fields) => {
      const id = numberIn(fields, "id", { max: Number.MAX_SAFE_INTEGER });
      const job = await asked(queue, async (client) => {
        const stats = await client.statsJob(id);
        const peeked = client.peek(id);
        // The job may be gone after an `await`, and its body with it.
        const job = peeked instanceof Promise ? await peeked : peeked;
        return stats && job && { stats, body: valueBytes(job.body) };
      });
      if (job === null) throw new RangeError(`There is no job ${id}.`);
      const { stats, body } = job;
      return jobJson(stats, body.subarray(0, MAX_SHOWN_BYTES), body.length);
    },
    workers: (fields) => {
      const from = numberIn(fields, "from", { max: Number.MAX_SAFE_INTEGER });
      const { workers } = queue;
      return Promise.resolve({
        workers: workers.list(from, MAX_WORKERS_PER_PAGE),
        total: workers.size,
      });
    },
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** Asks as a new client; resolves when the answer is durable. */
async function asked<T>(
  queue: Queue,
  work: (client: QueueClient) => MaybePromise<T>,
): Promise<T> {
  const client = queue.connect();
  try {
    const answer = await work(client);
    await client.settled();
    return answer;
  } finally {
    client.close();
  }
}

function stateIn(fields: Fields): JobState {
  const state = JOB_STATES.find((state) => state === fields["state"]);
  if (state === undefined) throw new RangeError(`"state" must be one of ${JOB_STATES.join(", ")}.`);
  return state;
}

/** A whole number of a query, from 0 up to `max`. */
function numberIn(
  fields: Fields,
  name: string,
  { max, otherwise = 0 }: { max: number; otherwise?: number },
): number {
  const value = fields[name] ?? otherwise;
  const isWhole = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  if (isWhole && value <= max) return value;
  throw new RangeError(`"${name}" must be a whole number from 0 to ${max}.`);
}
