import type { Metric, Sample } from "../metrics.ts";
import { commitMetrics } from "../storage/commit_metrics.ts";
import { databaseMetrics } from "../storage/database_metrics.ts";
import type { BeanstalkServer } from "./beanstalk/server.ts";
import type { PushServer } from "./push/server.ts";
import type { Queue } from "./queue.ts";

const STATES = ["ready", "reserved", "delayed", "buried", "held"] as const;

/** The metrics of a queue and of the servers of both its protocols. */
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
      "Age of the next job to be reserved.",
      tubes.map((tube) => ({ labels: { tube: tube.name }, value: tube.oldestReadyMs / 1000 })),
    ),
    gauge("task_tubes", "Tubes.", [{ value: total.tubes }]),
    gauge("task_results", "Results kept.", [{ value: total.results }]),
    gauge("task_memory_bytes", "Memory used by jobs and results, in bytes.", [
      { value: total.bytes },
    ]),
    gauge("task_waiting_clients", "Clients waiting for a job.", [{ value: total.waiting }]),
    gauge("task_push_workers", "Workers connected to the push port.", [{ value: push.workers }]),
    counter("task_jobs_put_total", "Jobs put.", [{ value: total.totalJobs }]),
    counter("task_timeouts_total", "Jobs whose time to run ended before their worker finished.", [{
      value: total.timeouts,
    }]),
    counter(
      "task_generator_answers_total",
      "Answers to the generator's numbers: right, wrong or late.",
      Object.entries(push.answers).map(([answer, value]) => ({ labels: { answer }, value })),
    ),
    {
      type: "histogram",
      name: "task_push_answer_seconds",
      help:
        "Time that a worker at the push port took to answer a job or a number of the generator.",
      samples: Object.entries(push.answerSeconds).map(([to, histogram]) => (
        { labels: { to }, histogram }
      )),
    },
    ...(commits === undefined ? [] : commitMetrics("task", commits)),
    ...(database === undefined ? [] : databaseMetrics("task", database)),
    counter("task_mistakes_total", "Malformed commands.", [
      { value: beanstalk.metrics.mistakes },
    ]),
    {
      type: "histogram",
      name: "command_duration_seconds",
      help: "Time per command: the time for a batch, divided by its commands.",
      samples: [{ labels: { service: "task" }, histogram: beanstalk.metrics.duration }],
    },
    counter(
      "commands_total",
      "Commands received.",
      [...beanstalk.metrics.commands].map(([command, value]) => ({
        labels: { service: "task", command },
        value,
      })),
    ),
  ];
}
