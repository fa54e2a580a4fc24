import { formatAddress } from "../../lib/net/address.ts";
import type { Address } from "../../lib/net/address.ts";
import { BeanstalkClient } from "../../lib/task/beanstalk/client.ts";
import { until } from "../support/within.ts";
import { type Part, pause } from "./part.ts";

const SCHEDULES = 3;
const TUBE = "soak.schedules";
const LOOK_EVERY_MS = 300;

/** The schedules, as tables of the configuration. */
export const SCHEDULE_TABLES: string = Array.from(
  { length: SCHEDULES },
  (_, i) =>
    `[[task.schedule]]
name = "soak.${i}"
${i === 0 ? 'cron = "* * * * * *"' : `every = "${i}s"`}
tube = "${TUBE}"
body = "soak.${i}"
overlap = "allow"
`,
).join("");

/** A schedule as the page of admin shows it. */
interface Shown {
  name: string;
  lastAt: number | null;
  job: number | null;
}

/**
 * A worker for the jobs of schedules. As many come as there were runs, and each time of a schedule
 * has just one job.
 */
export function taskSchedulesPart({ task, admin }: { task: Address; admin: Address }): Part {
  let done = 0;

  /** Asks admin, on a new connection: this process may be too slow to see that an old one is closed. */
  async function ask(path: string): Promise<Response> {
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const reply = await fetch(`http://${formatAddress(admin)}${path}`, { client });
    return new Response(await reply.bytes(), { status: reply.status });
  }

  async function runs(): Promise<number> {
    const metrics = await (await ask("/metrics")).text();
    const counts = metrics.matchAll(/^\w*task_schedule_runs_total\{.*outcome="put".*\} (\d+)/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  return {
    name: "schedules",
    async run(stop) {
      if (task.transport !== "tcp") throw new Error("The clients speak TCP");
      const client = new BeanstalkClient(await Deno.connect(task));
      const times = new Map<string, number>();
      const jobs = new Map<number, string>();
      async function look(): Promise<void> {
        const { services } = await (await ask("/state")).json();
        const { status } = services.find(({ name }: { name: string }) => name === "task");
        for (const { name, lastAt, job } of status.schedules as Shown[]) {
          if (lastAt === null || job === null) continue;
          const time = `${name} at ${lastAt}`;
          if ((times.get(time) ?? job) !== job) throw new Error(`${time} has two jobs`);
          if ((jobs.get(job) ?? time) !== time) throw new Error(`job ${job} has two times`);
          times.set(time, job);
          jobs.set(job, time);
        }
      }
      async function lookUntilStopped(): Promise<void> {
        while (!stop.aborted) {
          await look();
          await pause(LOOK_EVERY_MS, stop);
        }
      }
      async function work(isOver: () => boolean): Promise<void> {
        while (!isOver()) {
          const { words: [word, id] } = await client.ask("reserve-with-timeout 1");
          if (word === "TIMED_OUT") continue;
          if (word !== "RESERVED") throw new Error(`the reply to reserve is ${word}`);
          const { words: [reply] } = await client.ask(`delete ${id}`);
          if (reply !== "DELETED") throw new Error(`the reply to delete is ${reply}`);
          done++;
        }
      }
      try {
        await client.ask(`watch ${TUBE}`);
        await client.ask("ignore default");
        const startMs = Date.now();
        await Promise.all([lookUntilStopped(), work(() => stop.aborted)]);
        // A run may come between the two counts.
        await until("there were as many jobs as runs", async () => {
          const wanted = await runs();
          await work(() => done >= wanted);
          return done === wanted && await runs() === wanted;
        });
        const seconds = (Date.now() - startMs) / 1000;
        return `${done} jobs in as many runs, ${times.size} of them seen, in ${seconds.toFixed()} s`;
      } finally {
        client.close();
      }
    },
  };
}
