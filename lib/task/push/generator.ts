import type { Clock } from "../clock.ts";
import type { PushServer } from "./server.ts";

/**
 * Gives all workers of the push server the same number from time to time: Unix time modulo 100, for
 * them to square.
 *
 * @param server The server whose workers get it.
 * @param options How often, and by which clock.
 * @returns A function that ends it.
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
