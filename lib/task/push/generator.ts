import type { Clock } from "../clock.ts";
import type { PushServer } from "./server.ts";

/**
 * Regularly asks all workers at the push port to square the same number: Unix time modulo 100.
 *
 * @param server The server whose workers are asked.
 * @param options The interval, and the clock to go by.
 * @returns A function that stops the generator.
 */
export function startGenerator(
  server: PushServer,
  { everyMs, clock }: { everyMs: number; clock: Clock },
): () => void {
  let stop: () => void;
  function next(): void {
    stop = clock.after(everyMs, () => {
      server.assign(Math.floor(clock.now() / 1000) % 100);
      next();
    });
  }
  next();
  return () => stop();
}
