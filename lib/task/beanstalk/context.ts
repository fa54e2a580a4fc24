import type { Log } from "../../log.ts";
import type { Connection } from "../../net/connection.ts";
import type { Login } from "../../net/login.ts";
import type { SlowCommands } from "../../slow_commands.ts";
import type { SharedTurn } from "../../turn.ts";
import type { Queue } from "../queue.ts";
import type { CommandKind } from "./command.ts";
import type { BeanstalkMetrics, ProcessFacts } from "./stats.ts";

/** What the sessions of a server share. */
export interface BeanstalkContext {
  readonly queue: Queue;
  readonly log: Log;
  /** The largest body of a job, in bytes. */
  readonly maxJobBytes: number;
  readonly metrics: BeanstalkMetrics;
  readonly turn: SharedTurn;
  readonly slow: SlowCommands;
  /** Begins the login of a client; `undefined` if the service has no token. */
  beginLogin(connection: Connection): Login | undefined;
  /** Counts a command. */
  count(kind: CommandKind): void;
  /** What `stats` reports about this process. */
  facts(): ProcessFacts;
}
