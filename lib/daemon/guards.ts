import { FailureCounter, Guard } from "../auth.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "../log.ts";

/**
 * The guards in force: they check the tokens of clients. That of a service can be older than the
 * configuration, if the service could not start with its new section and runs on with its old one.
 */
export class Guards {
  readonly #byService = new Map<string, Guard>();
  readonly #log: Log;

  /** @param log Told how many connections are closed. */
  constructor(log: Log) {
    this.#log = log;
  }

  /** The guard of a service; `undefined` if it requires no token. */
  of(service: string): Guard | undefined {
    return this.#byService.get(service);
  }

  /** Sets the guard of a service that starts. */
  set(service: string, guard: Guard | undefined): void {
    if (guard === undefined) this.#byService.delete(service);
    else this.#byService.set(service, guard);
  }

  /**
   * Lets a service that goes on follow a new configuration, and closes the connections whose tokens
   * that has removed or changed.
   *
   * @param options.hasOldSection Whether the service still has its old section. If it required a token,
   * it must go on to do so: other machines may reach its address. So if the configuration has no token
   * for it any more, nobody can log in until the service restarts.
   */
  follow(service: string, config: Config, { hasOldSection = false } = {}): void {
    const before = this.of(service);
    const after = config.guard(service) ??
      (hasOldSection && before !== undefined ? guardWithoutTokens(config) : undefined);
    this.set(service, after);
    if (before === undefined || before === after) return;
    const closed = before.logins.revise(after, config.auth.on_revoke === "keep");
    if (closed > 0) this.#log.info("Closed connections of old tokens", { service, closed });
  }
}

function guardWithoutTokens({ auth }: Config): Guard {
  const failures = new FailureCounter(auth.max_failures, auth.failure_window);
  return new Guard([], failures, auth.login_timeout);
}
