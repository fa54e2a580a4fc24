import type { Address } from "../../lib/net/address.ts";

/** Well-behaved clients of one service that check its replies. */
export interface Workload {
  readonly name: string;
  /**
   * Runs until `stop` aborts, then checks that nothing was lost.
   *
   * @returns A summary of the work, for the report.
   * @throws {Error} If the service did anything wrong.
   */
  run(stop: AbortSignal): Promise<string>;
}

/** The addresses of the daemon under load. */
export interface Targets {
  echo: Address;
  kv: Address;
  task: Address;
  beanstalk: Address;
  mesh: Address;
  admin: Address;
}

/** A random name that misbehaving clients will not guess. */
export function secretName(): string {
  return crypto.randomUUID().slice(0, 8);
}

/** A random integer from 0 to `end - 1`. */
export function below(end: number): number {
  return Math.floor(Math.random() * end);
}

/** Resolves after `ms` milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
