import { Episodes } from "../episodes.ts";
import type { Log } from "../log.ts";
import type { Metric } from "../metrics.ts";
import { fullAfter, nextTokenAt, type Rate } from "../token_bucket.ts";
import { clientNetwork, UNIX_PEER } from "./address.ts";

/** How many addresses, and how many tokens, have a bucket that new connections find. */
const BUCKETS_MAX = 10_000;

/** A wait ends after this long to look again: timers of some weeks fire at once. */
const LOOK_AGAIN_MS = 60_000;

/** What a rate limit is per. */
const KINDS = ["address", "token"] as const;

/** The rates of a service; `null` for no limit. */
export type Rates = Readonly<Record<typeof KINDS[number], Rate | null>>;

/** A connection, as its rate limits see it. */
export interface RatedClient {
  readonly id: number;
  readonly remote: string;
  readonly host: string;
  /** The name of the token that it has shown; `undefined` if none. */
  readonly tokenName: string | undefined;
  /** How many requests it has made so far. */
  readonly requestCount: number;
  /** What the limits keep about it. */
  pace: Pace | undefined;
}

/** A token bucket, by the time at which it is full again. */
interface Bucket {
  readonly kind: typeof KINDS[number];
  /** The address or the token. */
  readonly name: string;
  readonly rate: Rate;
  fullAtMs: number;
}

/** The state of one connection. */
export interface Pace {
  /** The rates that its buckets belong to. */
  readonly rates: Rates;
  readonly tokenName: string | undefined;
  readonly buckets: readonly Bucket[];
  /** How many of its requests have taken their tokens. One more after it was held back. */
  paid: number;
}

/** The wait of a connection that is held back. */
export interface Hold {
  /** Resolves when the connection may be read again, or with {@linkcode end}. */
  readonly over: Promise<void>;
  /** Ends the wait early. */
  end(): void;
}

/**
 * The rate limits of one service. A client over its limit gets no error: its connections are not
 * read until it has made up for what it has sent, so it is slowed down by TCP. What it has sent in
 * one read runs at once, as a debt.
 *
 * Clients are addresses (an IPv6 /64 is one) and, apart from them, tokens; all connections of one
 * share a bucket. Without limits, a read costs a comparison.
 */
export class RateLimits {
  readonly #log: Log;
  #rates: Rates = { address: null, token: null };
  #on = false;
  readonly #buckets = { address: new Map<string, Bucket>(), token: new Map<string, Bucket>() };
  readonly #holds = new Map<object, () => void>();
  readonly #holdCounts = { address: 0, token: 0 };
  readonly #episodes = new Episodes();

  readonly #now: () => number;

  /**
   * @param log Gets a line for each episode of a client that is over a limit.
   * @param rates The rates. @default {none}
   * @param now A monotonic clock in milliseconds.
   */
  constructor(log: Log, rates?: Rates, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
    if (rates !== undefined) this.setRates(rates);
  }

  /** Changes the rates, also for connections that are held back. All buckets are full then. */
  setRates(rates: Rates): void {
    if (KINDS.every((kind) => isSame(rates[kind], this.#rates[kind]))) return;
    this.#rates = rates;
    this.#on = rates.address !== null || rates.token !== null;
    for (const kind of KINDS) this.#buckets[kind].clear();
    for (const look of [...this.#holds.values()]) look();
  }

  /** Counts the requests of a client from now on; otherwise the first {@linkcode hold} begins that. */
  enter(client: RatedClient): void {
    if (this.#on) this.#paceOf(client, this.#now());
  }

  /**
   * Takes the tokens of the requests that a client has made since the last call. Call it before each
   * read.
   *
   * @returns The wait before that read; `undefined` if there is none.
   */
  hold(client: RatedClient): Hold | undefined {
    if (!this.#on) return undefined;
    const bucket = this.#emptiest(client, this.#now());
    if (bucket === undefined) return undefined;
    const { kind, name } = bucket;
    this.#holdCounts[kind]++;
    if (this.#episodes.begins(`${kind} ${name}`)) {
      const { id, remote: address, tokenName: token } = client;
      const limit = kind === "address" ? "rate_limit" : "token_rate_limit";
      this.#log.warn("Client is held back, as it is over its rate limit", {
        client: id,
        address,
        ...(token === undefined ? {} : { token }),
        limit,
      });
    }
    return this.#begin(client);
  }

  /** Metrics of the limits. */
  metrics(service: string): Metric[] {
    return [
      {
        type: "counter",
        name: "rate_limit_holds_total",
        help: "Reads of connections that were put off because the client was over a rate limit.",
        samples: KINDS.map((limit) => ({
          labels: { service, limit },
          value: this.#holdCounts[limit],
        })),
      },
      {
        type: "gauge",
        name: "rate_limit_held_connections",
        help: "Connections that are not read at the moment because of a rate limit.",
        samples: [{ labels: { service }, value: this.#holds.size }],
      },
    ];
  }

  #begin(client: RatedClient): Hold {
    const { promise, resolve } = Promise.withResolvers<void>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const key = {};
    const end = () => {
      clearTimeout(timer);
      this.#holds.delete(key);
      resolve();
    };
    const look = () => {
      clearTimeout(timer);
      const nowMs = this.#now();
      const bucket = this.#emptiest(client, nowMs);
      if (bucket === undefined) {
        // Its next request is paid in advance, so that connections that share a bucket and wait for
        // the same token do not all go on with it.
        if (this.#on) pay(client.pace!, 1, nowMs);
        return end();
      }
      timer = setTimeout(look, Math.min(waitMs(bucket, nowMs), LOOK_AGAIN_MS));
    };
    this.#holds.set(key, look);
    look();
    return { over: promise, end };
  }

  /** Pays for the requests of a client; returns its bucket that has no token for longest, if any. */
  #emptiest(client: RatedClient, nowMs: number): Bucket | undefined {
    const pace = this.#paceOf(client, nowMs);
    pay(pace, Math.max(0, client.requestCount - pace.paid), nowMs);
    let longest: Bucket | undefined;
    for (const bucket of pace.buckets) {
      const longestMs = longest === undefined ? 0 : waitMs(longest, nowMs);
      if (waitMs(bucket, nowMs) > longestMs) longest = bucket;
    }
    return longest;
  }

  #paceOf(client: RatedClient, nowMs: number): Pace {
    const { pace, tokenName, host, requestCount } = client;
    const rates = this.#rates;
    if (pace?.rates === rates && pace.tokenName === tokenName) return pace;
    const buckets: Bucket[] = [];
    // All clients of a unix socket have one address.
    if (rates.address !== null && host !== UNIX_PEER) {
      buckets.push(this.#bucket("address", clientNetwork(host), nowMs));
    }
    if (rates.token !== null && tokenName !== undefined) {
      buckets.push(this.#bucket("token", tokenName, nowMs));
    }
    const paid = pace?.rates === rates ? pace.paid : requestCount;
    return client.pace = { rates, tokenName, buckets, paid };
  }

  /** The bucket of a client. Connections keep theirs, even if others have displaced it here. */
  #bucket(kind: typeof KINDS[number], name: string, nowMs: number): Bucket {
    const buckets = this.#buckets[kind];
    const bucket = buckets.get(name) ??
      { kind, name, rate: this.#rates[kind]!, fullAtMs: nowMs };
    // Set anew, so that those that were looked for last stay.
    buckets.delete(name);
    if (buckets.size >= BUCKETS_MAX) buckets.delete(buckets.keys().next().value!);
    buckets.set(name, bucket);
    return bucket;
  }
}

function isSame(a: Rate | null, b: Rate | null): boolean {
  return a?.intervalMs === b?.intervalMs && a?.burst === b?.burst;
}

/** How long a bucket has no token. */
function waitMs({ fullAtMs, rate }: Bucket, nowMs: number): number {
  return nextTokenAt(fullAtMs, rate) - nowMs;
}

/** Takes the tokens of some requests, from all buckets of a connection. */
function pay(pace: Pace, requests: number, nowMs: number): void {
  pace.paid += requests;
  if (requests === 0) return;
  for (const bucket of pace.buckets) {
    const { fullAtMs, rate } = bucket;
    bucket.fullAtMs = fullAfter(fullAtMs, nowMs, { taken: requests, rate });
  }
}
