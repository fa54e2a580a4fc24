import type { Metric, Sample } from "../metrics.ts";
import { commitMetrics } from "../storage/commit_metrics.ts";
import { databaseMetrics } from "../storage/database_metrics.ts";
import type { BeanstalkServer } from "./beanstalk/server.ts";
import type { PushServer } from "./push/server.ts";
import type { Queue } from "./queue.ts";

const STATES = ["ready", "reserved", "delayed", "buried"] as const;

/** The figures of a queue and its doors. */
export function taskMetrics(
  queue: Queue,
  { push, beanstalk }: { push: PushServer; beanstalk: BeanstalkServer },
): Metric[] {
  const { total, tubes, commits, database } = queue.metrics();
  const gauge = (name: string, help: string, samples: Sample[]): Metric => (
    { type: "gauge", name, help, samples }
  );
  const counter = (name: string, help: string, samples: Sample[]): Metric => (
    { type: "counter", name, help, samples }
  );
  return [
    gauge(
      "task_jobs",
      "Jobs by tube and state.",
      tubes.flatMap((tube) =>
        STATES.map((state) => ({ labels: { tube: tube.name, state }, value: tube[state] }))
      ),
    ),
    gauge(
      "task_oldest_ready_seconds",
      "Age of the job that is to be given out next.",
      tubes.map((tube) => ({ labels: { tube: tube.name }, value: tube.oldestReadyMs / 1000 })),
    ),
    gauge("task_tubes", "Tubes.", [{ value: total.tubes }]),
    gauge("task_results", "Results that are kept.", [{ value: total.results }]),
    gauge("task_memory_bytes", "Bytes that jobs and results take in memory.", [
      { value: total.bytes },
    ]),
    gauge("task_waiting_clients", "Clients that wait for a job.", [{ value: total.waiting }]),
    gauge("task_push_workers", "Workers at the push door.", [{ value: push.workers }]),
    counter("task_jobs_put_total", "Jobs that were put.", [{ value: total.totalJobs }]),
    counter("task_timeouts_total", "Jobs whose time to run was over.", [{ value: total.timeouts }]),
    counter(
      "task_generator_answers_total",
      "Answers to the numbers of the generator, and those that were missing.",
      Object.entries(push.answers).map(([answer, value]) => ({ labels: { answer }, value })),
    ),
    {
      type: "histogram",
      name: "task_push_answer_seconds",
      help:
        "How long a worker at the push door took to answer a job, or a number of the generator.",
      samples: Object.entries(push.answerSeconds).map(([to, histogram]) => (
        { labels: { to }, histogram }
      )),
    },
    ...(commits === undefined ? [] : commitMetrics("task", commits)),
    ...(database === undefined ? [] : databaseMetrics("task", database)),
    counter("task_mistakes_total", "Lines that were no command.", [
      { value: beanstalk.metrics.mistakes },
    ]),
    {
      type: "histogram",
      name: "command_duration_seconds",
      help: "How long a command took, as its part of the batch it came in.",
      samples: [{ labels: { service: "task" }, histogram: beanstalk.metrics.duration }],
    },
    counter(
      "commands_total",
      "Commands that clients sent.",
      [...beanstalk.metrics.commands].map(([command, value]) => ({
        labels: { service: "task", command },
        value,
      })),
    ),
  ];
}
