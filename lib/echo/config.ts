import * as v from "valibot";
import { SERVICE_KEYS } from "../config/service_keys.ts";
import { address, choice, count, duration, size, text } from "../config/values.ts";

/** What to do with a message when the queue of a slow client is full. */
export const ON_FULL = ["drop", "drop_oldest", "close"] as const;

const MIB = 1024 * 1024;

/** The schema of section `[echo]`; config.toml explains each key. */
export const echoConfigSchema = v.strictObject({
  ...SERVICE_KEYS,
  listen: v.optional(address(), "127.0.0.1:8080"),
  mode: v.optional(choice(["broadcast", "confirm"]), "broadcast"),
  max_clients: v.optional(count({ min: 1, max: 1_000_000 }), 10_000),
  max_line: v.optional(size({ min: 1, max: 64 * MIB }), "64KiB"),
  idle_timeout: v.optional(duration({ min: 1, off: true }), "off"),
  queue: v.optional(count({ min: 1, max: 1_000_000 }), 100),
  queue_bytes: v.optional(size({ min: 1024, max: 1024 * MIB }), "8MiB"),
  slow_after: v.optional(duration({ min: 1, max: 60_000 }), "100ms"),
  on_full: v.optional(choice(ON_FULL), "drop"),
  reply: v.optional(text(), "Message received."),
});

/** The parsed section `[echo]`. Times are in milliseconds, sizes in bytes. */
export type EchoConfig = v.InferOutput<typeof echoConfigSchema>;
