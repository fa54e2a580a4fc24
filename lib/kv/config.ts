import * as v from "valibot";
import { ON_FULL } from "../bus/reader.ts";
import { SERVICE_KEYS, SLOW_KEYS } from "../config/service_keys.ts";
import { address, choice, count, duration, size, storageUrl, text } from "../config/values.ts";
import { EVICTION_POLICIES } from "../storage/eviction_policy.ts";

/** The letters of `notify_keyspace_events`. */
const EVENT_CLASSES = /^[Ag$lshzxeKEtmdn]*$/;

const MIB = 1024 * 1024;

/** The longest string in V8, and so the longest possible value. */
const MAX_VALUE_BYTES = 512 * MIB - 25;

/** The schema of the section `[kv]`; config.toml explains each key. */
export const kvConfigSchema = v.strictObject({
  ...SERVICE_KEYS,
  ...SLOW_KEYS,
  listen: v.optional(address(), "127.0.0.1:8081"),
  storage: v.optional(storageUrl()),
  max_clients: v.optional(count({ min: 1, max: 1_000_000 }), 10_000),
  max_line: v.optional(size({ min: 64, max: 64 * MIB }), "1MiB"),
  max_value: v.optional(size({ min: 1, max: MAX_VALUE_BYTES }), "64MiB"),
  max_request: v.optional(size({ min: 1024, max: 4096 * MIB }), "128MiB"),
  max_arguments: v.optional(count({ min: 16, max: 16 * MIB }), 1_048_576),
  max_queued: v.optional(count({ min: 1, max: 16 * MIB }), 65_536),
  max_channels: v.optional(count({ min: 1, max: 100_000 }), 10_000),
  max_patterns: v.optional(count({ min: 1, max: 10_000 }), 256),
  queue: v.optional(count({ min: 1, max: 1_000_000 }), 1000),
  queue_bytes: v.optional(size({ min: 1024, max: 1024 * MIB }), "8MiB"),
  slow_after: v.optional(duration({ min: 1, max: 60_000 }), "100ms"),
  on_full: v.optional(choice(ON_FULL), "drop"),
  notify_keyspace_events: v.optional(
    text({ pattern: EVENT_CLASSES, allowed: "some of the letters Ag$xeKEmn" }),
    "",
  ),
  max_memory: v.optional(size({ min: 1024 }), "1GiB"),
  max_memory_policy: v.optional(choice(EVICTION_POLICIES), "noeviction"),
  script_timeout: v.optional(duration({ min: 1, max: 1000 }), "20ms"),
  script_memory: v.optional(size({ min: MIB, max: 256 * MIB }), "8MiB"),
  idle_timeout: v.optional(duration({ min: 1, off: true }), "off"),
});

/** The parsed section `[kv]`. Times are in milliseconds, sizes in bytes. */
export type KvConfig = v.InferOutput<typeof kvConfigSchema>;
