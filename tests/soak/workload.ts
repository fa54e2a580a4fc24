import type { Address } from "../../lib/net/address.ts";

/** Clients of one service that behave, and notice when the service does not. */
export interface Workload {
  readonly name: string;
  /**
   * Works until it is told to stop, then sees to it that nothing was lost.
   *
   * @returns What it did, in words.
   * @throws {Error} If the service has done anything wrong.
   */
  run(stop: AbortSignal): Promise<string>;
}

/** Where the services of the daemon under load listen. */
export interface Targets {
  echo: Address;
  kv: Address;
  task: Address;
  beanstalk: Address;
  mesh: Address;
  admin: Address;
}

/** A name that no client that sends garbage will guess. */
export function secretName(): string {
  return crypto.randomUUID().slice(0, 8);
}

/** A whole number from 0 up to and without `end`. */
export function below(end: number): number {
  return Math.floor(Math.random() * end);
}

/** Pauses, or stops to. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
