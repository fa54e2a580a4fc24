/**
 * Which entries a store that holds its data in memory may remove to make room for others. The names
 * are those of Redis.
 *
 * @module
 */

/** The policies: what may be evicted, and in which order. */
export const EVICTION_POLICIES = [
  "noeviction",
  "allkeys-lru",
  "allkeys-random",
  "volatile-lru",
  "volatile-random",
  "volatile-ttl",
] as const;

/** A policy; `volatile` policies evict only entries that can expire. */
export type EvictionPolicy = typeof EVICTION_POLICIES[number];

/** The limits of a store that holds its data in memory. */
export interface MemoryLimits {
  /** Limit on bytes of keys and values. */
  maxBytes: number;
  /** What a write beyond the limit evicts. */
  policy: EvictionPolicy;
}

/** Whether a text names a policy. */
export function isEvictionPolicy(text: string): text is EvictionPolicy {
  return (EVICTION_POLICIES as readonly string[]).includes(text);
}
