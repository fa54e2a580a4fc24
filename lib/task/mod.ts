/**
 * The task service: one queue and two protocols, each on a port of its own. On the push port the
 * server sends each worker one line per task; on the beanstalk port producers and workers speak the
 * beanstalk protocol.
 *
 * @module
 */

import {
  listenerLimits,
  listenerOptions,
  LIVE_LIMITS,
  serviceRates,
} from "../config/service_keys.ts";
import { ClientList } from "../net/client_list.ts";
import { LINE_REPLIES } from "../net/line_replies.ts";
import { Listener } from "../net/listener.ts";
import { connectionMetrics, sumMetrics } from "../net/listener_metrics.ts";
import type { RunningService, Service, ServiceContext } from "../service.ts";
import { VERSION } from "../version.ts";
import { taskActions } from "./actions.ts";
import { unlimitedAttempts } from "./advice.ts";
import { BeanstalkServer } from "./beanstalk/server.ts";
import { prepareQueueTables, restoreQueue, saveQueue } from "./backup.ts";
import { SYSTEM_CLOCK, WALL_CLOCK } from "./clock.ts";
import { type TaskConfig, taskSchema } from "./config.ts";
import { announceOn } from "./events.ts";
import { taskMetrics } from "./metrics.ts";
import { openQueue } from "./open.ts";
import { PushServer } from "./push/server.ts";
import { ScheduleRunner } from "./schedule/runner.ts";
import { scheduleMetrics, scheduleStatus, upcomingRuns } from "./schedule/reports.ts";
import { scheduleOf } from "./schedule/schedule.ts";
import { startGenerator } from "./push/generator.ts";
import { taskQueries } from "./queries.ts";
import type { QueueOptions } from "./queue.ts";
import type { ReportJob } from "./reports.ts";
import { mayHearJobs, taskRights } from "./rights.ts";
import { tubeRules } from "./tube_rules.ts";

const encoder = new TextEncoder();

/** Why it is not ready in drain mode. */
const DRAIN_MODE = "drain mode: new jobs are refused until the daemon is restarted";

/** The keys that can change while it runs. */
const LIVE_KEYS = [
  ...LIVE_LIMITS,
  "max_line",
  "max_job_size",
  "max_jobs",
  "max_memory",
  "max_tubes",
  "max_results",
  "result_ttl",
  "events",
  "max_attempts",
  "backoff",
  "max_backoff",
  "max_reserved",
  "rate",
  "burst",
  "tubes",
  "schedule",
  "generator",
  "slow_command",
] as const;

/** The task service, for the table of services. */
export const task: Service<TaskConfig> = {
  name: "task",
  schema: taskSchema,
  rights: taskRights,
  hears: mayHearJobs,
  live: LIVE_KEYS,
  addresses: (config) => [config.listen, config.beanstalk],
  needs: (config) => ({ storages: [config.storage] }),
  advice: unlimitedAttempts,
  forecast: (config) => upcomingRuns(config.schedule, Date.now()),
  restore: { tables: "task_", prepare: prepareQueueTables, fill: restoreQueue },
  start,
};

async function start(config: TaskConfig, context: ServiceContext): Promise<RunningService> {
  const { log } = context;
  const storage = await context.storage(config.storage);
  const cleanUp: (() => Promise<void>)[] = [() => storage.close()];
  try {
    const announce = announceOn(context.bus);
    const queue = await openQueue(storage, { ...queueOptions(config, announce), log });
    cleanUp.push(() => queue.close());
    const push = new PushServer(queue, {
      tube: config.tube,
      maxLineBytes: config.max_line,
      log,
      guard: context.guard,
      refusals: context.refusals,
    });
    const beanstalk = new BeanstalkServer(queue, {
      maxJobBytes: config.max_job_size,
      version: VERSION,
      log,
      slowMs: config.slow_command,
      guard: context.guard,
      refusals: context.refusals,
    });
    const connected = new ClientList(log, serviceRates(config));
    const limits = {
      ...listenerOptions(config),
      clients: connected,
      maxClients: config.max_clients,
      idleTimeoutMs: config.idle_timeout,
      log,
    };
    const pushListener = await Listener.listen(config.listen, {
      ...limits,
      ...LINE_REPLIES,
      handle: (connection) => push.serve(connection),
    });
    cleanUp.push(() => pushListener.close());
    const beanstalkListener = await Listener.listen(config.beanstalk, {
      ...limits,
      fullReply: encoder.encode("OUT_OF_MEMORY\r\n"),
      handle: (connection) => beanstalk.serve(connection),
    });
    const listeners = [pushListener, beanstalkListener];
    const schedules = new ScheduleRunner(config.schedule.map(scheduleOf), {
      book: queue.schedules,
      clock: WALL_CLOCK,
      log,
    });
    schedules.start();
    const startNumbers = ({ generator }: TaskConfig) =>
      generator.enabled
        ? startGenerator(push, { everyMs: generator.every, clock: SYSTEM_CLOCK })
        : () => {};
    let stopNumbers = startNumbers(config);
    let inDrainMode = false;
    return {
      addresses: listeners.map((listener) => listener.address),
      data: () => ({
        storage,
        save: (records, transaction) => saveQueue(queue, records, transaction),
      }),
      reread: () => {
        for (const listener of listeners) listener.reloadTls();
      },
      adjust: (next: TaskConfig) => {
        for (const listener of listeners) listener.setLimits(listenerLimits(next));
        connected.rateLimits.setRates(serviceRates(next));
        beanstalk.slow.setLimit(next.slow_command);
        push.maxLineBytes = next.max_line;
        beanstalk.maxJobBytes = next.max_job_size;
        queue.setOptions(queueOptions(next, announce));
        schedules.setSchedules(next.schedule.map(scheduleOf));
        stopNumbers();
        stopNumbers = startNumbers(next);
      },
      problems: () => [queue.problem() ?? [], inDrainMode ? DRAIN_MODE : []].flat(),
      metrics: () => [
        ...connected.rateLimits.metrics("task"),
        ...connectionMetrics(
          "task",
          sumMetrics([pushListener.metrics(), beanstalkListener.metrics()]),
        ),
        ...taskMetrics(queue, { push, beanstalk }),
        ...scheduleMetrics(schedules.states),
        ...beanstalk.slow.metrics(),
      ],
      status: () => ({ schedules: scheduleStatus(schedules.states) }),
      actions: { ...taskActions(queue), ...connected.actions },
      queries: { ...taskQueries(queue), ...connected.queries },
      refuseNewWork: () => {
        inDrainMode = true;
        queue.refusePuts();
      },
      drain: async (deadline) => {
        stopNumbers();
        queue.drain();
        await Promise.race([schedules.stop(), aborted(deadline)]);
        await Promise.race([queue.idle(), aborted(deadline)]);
        await Promise.all(listeners.map((listener) => listener.drain(deadline)));
        try {
          await queue.close();
        } finally {
          await storage.close();
        }
        log.info("Task stopped", { ...queue.metrics().total });
      },
    };
  } catch (error) {
    for (const undo of cleanUp.reverse()) await undo();
    throw error;
  }
}

function queueOptions(config: TaskConfig, announce: ReportJob): QueueOptions {
  return {
    report: config.events ? announce : undefined,
    limits: {
      maxJobs: config.max_jobs,
      maxBytes: config.max_memory,
      maxTubes: config.max_tubes,
      maxResults: config.max_results,
      resultTtlMs: config.result_ttl,
    },
    rulesOf: (tube) => tubeRules(config, tube),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
