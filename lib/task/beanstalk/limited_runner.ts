import type { Login } from "../../net/login.ts";
import type { MaybePromise } from "../../storage/store.ts";
import { DEFAULT_TUBE, type JobId, type QueueClient } from "../queue.ts";
import { mayFollow } from "../rights.ts";
import type { BeanstalkCommand, CommandKind } from "./command.ts";
import type { CommandRunner } from "./command_runner.ts";
import type { ReplyBuffer } from "./reply_buffer.ts";
import { formatTubes } from "./stats.ts";

/** How many jobs a client may have put or asked for and then still learn the outcome of. */
const KNOWN_JOBS_MAX = 10_000;

/**
 * What a command needs. "follow" is the right to put into a tube or to work on it. "own" is for
 * commands that do nothing unless this client has the job reserved, and so had the right to it.
 */
export type BeanstalkNeed =
  | "nothing"
  | "own"
  | "put"
  | "put after"
  | "use"
  | "watch"
  | "reserve"
  | "work on used"
  | "work on tube"
  | "work on job"
  | "follow tube"
  | "follow job"
  | "outcome"
  | "move"
  | "listed tubes"
  | "everything";

/** What each command needs of a client with limited rights. */
export const BEANSTALK_NEEDS: Readonly<Record<CommandKind, BeanstalkNeed>> = {
  "mistake": "nothing",
  "quit": "nothing",
  "ignore": "nothing",
  "list-tube-used": "nothing",
  "list-tubes-watched": "nothing",
  "release": "own",
  "bury": "own",
  "touch": "own",
  "progress": "own",
  "done": "own",
  "fail": "own",
  "put": "put",
  "put-unique": "put",
  "put-batch": "put",
  "put-job": "put after",
  "use": "use",
  "watch": "watch",
  "reserve": "reserve",
  "reserve-with-timeout": "reserve",
  "reserve-batch": "reserve",
  "kick": "work on used",
  "peek-ready": "work on used",
  "peek-delayed": "work on used",
  "peek-buried": "work on used",
  "pause-tube": "work on tube",
  "flush-tube": "work on tube",
  "list-jobs": "work on tube",
  "reserve-job": "work on job",
  "delete": "work on job",
  "cancel": "work on job",
  "kick-job": "work on job",
  "release-held": "work on job",
  "peek": "work on job",
  "stats-tube": "follow tube",
  "stats-job": "follow job",
  "result": "outcome",
  "wait": "outcome",
  "move": "move",
  "list-tubes": "listed tubes",
  "stats": "everything",
  "list-workers": "everything",
  "quiet-worker": "everything",
  "resume-worker": "everything",
};

/** A right that a client lacks. */
interface Missing {
  action: "put" | "work" | "all";
  tube: string;
}

/** Runs the commands of a client with limited rights, each after a look at its rights. */
export class LimitedRunner {
  readonly #runner: CommandRunner;
  readonly #client: QueueClient;
  readonly #replies: ReplyBuffer;
  readonly #login: Login;
  /** Jobs that this client has put, or was allowed to follow, the oldest first. */
  readonly #known = new Set<JobId>();

  constructor(
    runner: CommandRunner,
    options: { client: QueueClient; replies: ReplyBuffer; login: Login },
  ) {
    this.#runner = runner;
    this.#client = options.client;
    this.#replies = options.replies;
    this.#login = options.login;
    runner.inserted = (id) => this.#remember(id);
  }

  /** Runs a command, or replies that the client has no right to it. Await it before the next one. */
  run(command: BeanstalkCommand): void | Promise<void> {
    const missing = this.#missing(command);
    return missing instanceof Promise
      ? missing.then((found) => this.#runUnless(found, command))
      : this.#runUnless(missing, command);
  }

  #runUnless(missing: Missing | undefined, command: BeanstalkCommand): void | Promise<void> {
    if (missing !== undefined) {
      this.#login.refuse(missing.action, missing.tube);
      this.#runner.commands++;
      return this.#replies.word("NOT_ALLOWED");
    }
    if (command.kind === "list-tubes") return this.#listTubes();
    // A client watches "default" from the beginning. If it must not, its first tube takes the place.
    if (command.kind === "watch" && this.#client.watch(command.tube)) {
      if (this.#lacksWork(DEFAULT_TUBE)) this.#client.ignore(DEFAULT_TUBE);
    }
    return this.#runner.run(command);
  }

  /** The right that a command needs and the client lacks, if so. */
  #missing(command: BeanstalkCommand): MaybePromise<Missing | undefined> {
    const client = this.#client;
    switch (BEANSTALK_NEEDS[command.kind]) {
      case "nothing":
      case "own":
      case "listed tubes":
        return undefined;
      case "put":
        return this.#lacks("put", client.used);
      case "put after":
        return this.#lacks("put", client.used) ?? this.#lacksJobs(afterOf(command));
      case "use":
      case "follow tube":
        return this.#lacksFollow(tubeIn(command));
      case "watch":
      case "work on tube":
        return this.#lacksWork(tubeIn(command));
      case "reserve":
        return firstOf(client.watched, (tube) => this.#lacksWork(tube));
      case "work on used":
        return this.#lacksWork(client.used);
      case "work on job":
        return this.#onJob(idIn(command), (tube) => this.#lacksWork(tube));
      case "follow job":
        return this.#onJob(idIn(command), (tube) => this.#lacksFollowing(idIn(command), tube));
      case "outcome":
        return this.#lacksOutcome(idIn(command));
      case "move": {
        const { from, tube } = command as BeanstalkCommand & { kind: "move" };
        const lacksPut = this.#lacks("put", tube);
        if (lacksPut !== undefined || typeof from === "string") {
          return lacksPut ?? this.#lacksWork(from as string);
        }
        return this.#onJob(from, (source) => this.#lacksWork(source));
      }
      case "everything":
        return this.#mayDoEverything ? undefined : { action: "all", tube: "" };
    }
  }

  #lacks(action: "put" | "work", tube: string): Missing | undefined {
    // The rights may have changed since the login, to none at all.
    const { rights } = this.#login;
    return rights === null || rights.allows(action, tube) ? undefined : { action, tube };
  }

  #lacksWork(tube: string): Missing | undefined {
    return this.#lacks("work", tube);
  }

  #lacksFollow(tube: string): Missing | undefined {
    const { rights } = this.#login;
    return rights === null || mayFollow(rights, tube) ? undefined : { action: "work", tube };
  }

  get #mayDoEverything(): boolean {
    const { rights } = this.#login;
    return rights === null || (rights.allowsAll("put", "*") && rights.allowsAll("work", "*"));
  }

  /** Looks at the tube of a job; if there is no such job, there is nothing to refuse. */
  #onJob(
    id: JobId,
    lacks: (tube: string) => Missing | undefined,
  ): MaybePromise<Missing | undefined> {
    const stats = this.#client.statsJob(id);
    if (!(stats instanceof Promise)) return stats === null ? undefined : lacks(stats.tube);
    return stats.then((found) => found === null ? undefined : lacks(found.tube));
  }

  async #lacksJobs(ids: readonly JobId[]): Promise<Missing | undefined> {
    for (const id of ids) {
      const missing = await this.#onJob(id, (tube) => this.#lacksFollow(tube));
      if (missing !== undefined) return missing;
    }
    return undefined;
  }

  /** An outcome that is kept does not say which tube the job was in. */
  async #lacksOutcome(id: JobId): Promise<Missing | undefined> {
    if (this.#known.has(id) || this.#mayDoEverything) return undefined;
    const stats = await this.#client.statsJob(id);
    if (stats === null) {
      const outcome = await this.#client.result(id);
      return outcome === null ? undefined : { action: "all", tube: "" };
    }
    return this.#lacksFollowing(id, stats.tube);
  }

  /** A client that may follow a job now may learn its outcome later. */
  #lacksFollowing(id: JobId, tube: string): Missing | undefined {
    const missing = this.#lacksFollow(tube);
    if (missing === undefined) this.#remember(id);
    return missing;
  }

  #remember(id: JobId): void {
    this.#known.add(id);
    if (this.#known.size > KNOWN_JOBS_MAX) this.#known.delete(this.#known.values().next().value!);
  }

  /** Lists only the tubes that the client has a right to. */
  async #listTubes(): Promise<void> {
    this.#runner.commands++;
    const tubes = await this.#client.listTubes();
    const known = tubes.filter((tube) => this.#lacksFollow(tube) === undefined);
    this.#replies.chunk("OK", formatTubes(known));
  }
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function tubeIn(command: BeanstalkCommand): string {
  if (command.kind === "list-jobs") return command.page.tube;
  return (command as BeanstalkCommand & { tube: string }).tube;
}

function idIn(command: BeanstalkCommand): JobId {
  return (command as BeanstalkCommand & { id: JobId }).id;
}

function afterOf(command: BeanstalkCommand): readonly JobId[] {
  return command.kind === "put-job" ? command.spec.options?.after ?? [] : [];
}
