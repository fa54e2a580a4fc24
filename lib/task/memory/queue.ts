import type { Clock } from "../clock.ts";
import { boundTubes } from "../tube_metrics.ts";
import { sameRules } from "../tube_rules.ts";
import type { QueueClient, QueueMetrics, QueueOptions, QueueStats } from "../queue.ts";
import type { ScheduledQueue } from "../schedule/book.ts";
import { type Peer, Workers } from "../workers.ts";
import { MemoryClient } from "./client.ts";
import { type Journal, NO_JOURNAL } from "./journal.ts";
import { MemoryScheduleBook } from "./schedule_book.ts";
import { Scheduler } from "./scheduler.ts";

/**
 * A queue in the memory of this process. Calls take effect before they return. A journal can make
 * them durable; `settled` tells each client when that is so.
 */
export class MemoryQueue implements ScheduledQueue {
  /** Its scheduler, for the journal to load. */
  readonly scheduler: Scheduler;
  readonly schedules: MemoryScheduleBook;
  readonly workers = new Workers();

  constructor(clock: Clock, options: QueueOptions, journal: Journal = NO_JOURNAL) {
    this.scheduler = new Scheduler(clock, options, journal);
    this.schedules = new MemoryScheduleBook(this.scheduler);
  }

  connect(peer?: Peer): QueueClient {
    return new MemoryClient(this.scheduler, peer && this.workers.joinerFor(peer));
  }

  setOptions(options: QueueOptions): void {
    const { scheduler } = this;
    Object.assign(scheduler.options, options);
    const tubes = scheduler.tubes.all()[Symbol.iterator]();
    scheduler.chores.run(() => {
      const { value: tube, done } = tubes.next();
      if (done) return false;
      const rules = scheduler.options.rulesOf(tube.name);
      if (sameRules(rules, tube.rules)) return true;
      tube.setRules(rules);
      // As if a token had come: a job may run now, or the tube may be dropped.
      scheduler.tokenCame(tube);
      return true;
    });
    scheduler.chores.run(() => scheduler.space.shrink());
  }

  refusePuts(): void {
    this.scheduler.refusesPuts = true;
  }

  drain(): void {
    this.scheduler.draining = true;
  }

  get draining(): boolean {
    return this.scheduler.refusesPuts || this.scheduler.draining;
  }

  idle(): Promise<void> {
    return this.scheduler.idle();
  }

  problem(): string | undefined {
    return this.scheduler.journal.problem();
  }

  /** What `stats` reports. */
  stats(): QueueStats {
    return this.scheduler.stats();
  }

  metrics(): QueueMetrics {
    const { tubes, journal } = this.scheduler;
    const now = this.scheduler.now();
    const commits = journal.commits();
    return {
      total: this.stats(),
      tubes: boundTubes([...tubes.all()].map((tube) => tube.stats(now))),
      ...(commits === undefined ? {} : { commits }),
    };
  }

  async close(): Promise<void> {
    this.scheduler.timers.close();
    this.scheduler.clientTimers.close();
    await this.scheduler.chores.close();
    await this.scheduler.journal.close();
  }
}
