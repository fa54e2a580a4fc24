/**
 * Rate limits: a bucket holds up to `burst` tokens and gains one every `intervalMs`. Each event, such
 * as the reservation of a job or a request, takes a token.
 *
 * A bucket is one number, the time at which it is full again, so it needs no timer to fill and fits
 * into a column of a database. With the bucket full at F, at time t it lacks (F - t) / interval
 * tokens; taking one moves F by one interval. This is the virtual scheduling of the generic cell
 * rate algorithm (ITU-T I.371).
 *
 * All times are in milliseconds on one clock, whichever the caller uses.
 *
 * @module
 */

/** A limit on how often something happens. */
export interface Rate {
  /** The time between two events in the long run, in milliseconds. Need not be whole. */
  readonly intervalMs: number;
  /** How many events may happen at once after a quiet time; at least 1. */
  readonly burst: number;
}

/**
 * A rate as configurations state it.
 *
 * @param intervalMs The time between two events; 0 for no limit.
 * @param burst By default, as many events as the rate allows in a second, at least one.
 * @returns `null` for no limit.
 */
export function rateOf(intervalMs: number, burst?: number): Rate | null {
  if (intervalMs === 0) return null;
  return { intervalMs, burst: burst ?? Math.max(1, Math.floor(1000 / intervalMs)) };
}

/**
 * Keeps rounding from losing a token. Near the present time, a double is exact to 0.00025 ms; the
 * error does not add up, because it is not part of the number that is stored.
 */
const ROUNDING_MS = 0.001;

/** How many whole tokens a bucket has. */
export function tokensIn(fullAt: number, now: number, { intervalMs, burst }: Rate): number {
  const missing = Math.max(0, fullAt - now - ROUNDING_MS) / intervalMs;
  return Math.max(0, Math.floor(burst - missing));
}

/**
 * When a bucket is full again that was filled at another rate until now: it lacks no more tokens than
 * it can hold. Without this, a tube whose rate was "1/d" would stand still for a day.
 */
export function fullAtRate(fullAt: number, now: number, { intervalMs, burst }: Rate): number {
  return Math.min(fullAt, now + burst * intervalMs);
}

/** When a bucket is full again after some tokens were taken. It may owe tokens. */
export function fullAfter(
  fullAt: number,
  now: number,
  { taken, rate }: { taken: number; rate: Rate },
): number {
  return Math.max(fullAt, now) + taken * rate.intervalMs;
}

/** When a bucket has a token; in the past if it has one already. */
export function nextTokenAt(fullAt: number, { intervalMs, burst }: Rate): number {
  return fullAt - (burst - 1) * intervalMs;
}
