import * as v from "valibot";
import { SERVICE_KEYS } from "../config/service_keys.ts";
import { address, count, duration, size } from "../config/values.ts";

const MIB = 1024 * 1024;

/** The schema of the section `[admin]`; config.toml explains each key. */
export const adminConfigSchema = v.strictObject({
  ...SERVICE_KEYS,
  listen: v.optional(address(), "127.0.0.1:8088"),
  max_clients: v.optional(count({ min: 1, max: 100_000 }), 100),
  request_timeout: v.optional(duration({ min: 10, max: 600_000 }), "10s"),
  max_body: v.optional(size({ min: 1024, max: 16 * MIB }), "64KiB"),
});

/** The parsed section `[admin]`. Times are in milliseconds, sizes in bytes. */
export type AdminConfig = v.InferOutput<typeof adminConfigSchema>;
